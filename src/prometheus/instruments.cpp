// SPDX-License-Identifier: MIT
#include <resilience/prometheus/instruments.hpp>

#include "prometheus/instruments.hpp"

#include <stdexcept>
#include <utility>

namespace resilience::prometheus {

void Counter::add(double amount) const noexcept {
    if (amount > 0) series_->number.fetch_add(amount, std::memory_order_relaxed);
}

void Counter::raise_to(double total) const noexcept {
    auto& number = series_->number;
    double seen = number.load(std::memory_order_relaxed);
    while (seen < total &&
           !number.compare_exchange_weak(seen, total, std::memory_order_relaxed)) {
    }
}

void Gauge::set(double value) const noexcept {
    series_->number.store(value, std::memory_order_relaxed);
}

void Gauge::add(double amount) const noexcept {
    series_->number.fetch_add(amount, std::memory_order_relaxed);
}

void Histogram::observe(double value) const noexcept {
    series_->histogram->Observe(value);
}

template <class Instrument>
Instrument Family<Instrument>::with(std::initializer_list<std::string_view> values
) const {
    return Instrument{table_->find(values)};
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

namespace detail {

std::shared_ptr<SeriesTable> Instruments::family(FamilyOptions options) {
    const std::lock_guard lock{mutex_};
    if (const auto found = families_.find(options.name); found != families_.end()) {
        const FamilyOptions& there = found->second->options();
        if (there.type != options.type || there.labels != options.labels) {
            throw std::invalid_argument{
                "metric " + options.name +
                ": there is one of this name with another type or other labels"};
        }
        return found->second;
    }
    if (families_.size() >= most_families_) {
        throw std::length_error{
            "Metrics has " + std::to_string(most_families_) +
            " metrics of the program's own already"};
    }
    auto made = std::make_shared<SeriesTable>(std::move(options));
    return families_.emplace(made->options().name, made).first->second;
}

void Instruments::on_scrape(std::function<void()> update) {
    auto shared = std::make_shared<const std::function<void()>>(std::move(update));
    const std::lock_guard lock{mutex_};
    if (updates_.size() >= most_updates_) {
        throw std::length_error{
            "Metrics calls " + std::to_string(most_updates_) + " functions already"};
    }
    updates_.push_back(std::move(shared));
}

std::uint64_t Instruments::update() const {
    Updates updates;
    {
        const std::lock_guard lock{mutex_};
        updates = updates_;
    }
    std::uint64_t failed = 0;
    for (const auto& update : updates) {
        try {
            (*update)();
        } catch (...) {
            ++failed;
        }
    }
    return failed;
}

void Instruments::show(Exposition& out) const {
    const std::lock_guard lock{mutex_};
    for (const auto& [name, table] : families_) out.family(table->collect());
}

std::uint64_t Instruments::overflows() const {
    const std::lock_guard lock{mutex_};
    std::uint64_t sum = 0;
    for (const auto& [name, table] : families_) sum += table->overflows();
    return sum;
}

}  // namespace detail
}  // namespace resilience::prometheus
