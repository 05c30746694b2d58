// SPDX-License-Identifier: MIT
#include "host/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <stdexcept>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace resilience::host {

void Counter::add(double amount) const noexcept { metric_->Increment(amount); }
void Gauge::set(double value) const noexcept { metric_->Set(value); }
void Gauge::add(double amount) const noexcept { metric_->Increment(amount); }
void Histogram::observe(double value) const noexcept { metric_->Observe(value); }

std::vector<double> duration_bounds() {
    return {.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};
}

template <class Metric>
struct Family<Metric>::Impl {
    using Raw = std::remove_pointer_t<decltype(Metric::metric_)>;

    prometheus::Family<Raw>* family = nullptr;
    std::vector<std::string> labels;
    std::vector<double> bounds;
    std::size_t cap = 0;
    std::mutex mutex;
    std::unordered_map<std::string, Raw*> series;

    Raw* make(const std::vector<std::string>& values) {
        prometheus::Labels named;
        for (std::size_t i = 0; i < labels.size(); ++i) named[labels[i]] = values[i];
        if constexpr (std::is_same_v<Raw, prometheus::Histogram>) {
            return &family->Add(named, bounds);
        } else {
            return &family->Add(named);
        }
    }

    Raw* find(std::initializer_list<std::string_view> given) {
        std::string key;
        for (auto value : given) {
            key += value;
            key += '\0';
        }
        const std::lock_guard lock{mutex};
        if (const auto found = series.find(key); found != series.end()) {
            return found->second;
        }
        std::vector<std::string> values(given.begin(), given.end());
        values.resize(labels.size());
        // The last place is kept for the overflow.
        if (series.size() + 1 >= cap) {
            key.clear();
            values.assign(labels.size(), "_OTHER");
            if (const auto found = series.find(key); found != series.end()) {
                return found->second;
            }
        }
        return series.emplace(std::move(key), make(values)).first->second;
    }
};

template <class Metric>
Metric Family<Metric>::with(std::initializer_list<std::string_view> values) const {
    return Metric{*impl_->find(values)};
}

template <class Metric>
std::size_t Family<Metric>::size() const {
    const std::lock_guard lock{impl_->mutex};
    return impl_->series.size();
}

struct Metrics::Impl {
    template <class Metric>
    using Known = std::map<std::string, std::shared_ptr<typename Family<Metric>::Impl>>;

    prometheus::Registry registry;
    mutable std::mutex mutex;
    Known<Counter> counters;
    Known<Gauge> gauges;
    Known<Histogram> histograms;
    std::vector<std::function<void()>> updates;

    template <class Metric, class Builder>
    Family<Metric> family(
        Known<Metric>& known,
        Builder builder,
        std::string name,
        const std::string& help,
        std::vector<std::string> labels,
        std::vector<double> bounds,
        std::size_t cap
    ) {
        const std::lock_guard lock{mutex};
        auto& impl = known[name];
        if (!impl) {
            auto made = std::make_shared<typename Family<Metric>::Impl>();
            try {
                made->family = &builder.Name(name).Help(help).Register(registry);
            } catch (...) {
                known.erase(name);
                throw;
            }
            made->labels = std::move(labels);
            made->bounds = std::move(bounds);
            made->cap = cap;
            impl = std::move(made);
        }
        return Family<Metric>{impl};
    }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

CounterFamily Metrics::counters(
    std::string name, std::string help, std::vector<std::string> labels, std::size_t cap
) {
    return impl_->family<Counter>(
        impl_->counters,
        prometheus::BuildCounter(),
        std::move(name),
        help,
        std::move(labels),
        {},
        cap
    );
}

GaugeFamily Metrics::gauges(
    std::string name, std::string help, std::vector<std::string> labels, std::size_t cap
) {
    return impl_->family<Gauge>(
        impl_->gauges,
        prometheus::BuildGauge(),
        std::move(name),
        help,
        std::move(labels),
        {},
        cap
    );
}

HistogramFamily Metrics::histograms(
    std::string name,
    std::string help,
    std::vector<std::string> labels,
    std::vector<double> bounds,
    std::size_t cap
) {
    return impl_->family<Histogram>(
        impl_->histograms,
        prometheus::BuildHistogram(),
        std::move(name),
        help,
        std::move(labels),
        std::move(bounds),
        cap
    );
}

Counter Metrics::counter(std::string name, std::string help) {
    return counters(std::move(name), std::move(help), {}).with({});
}

Gauge Metrics::gauge(std::string name, std::string help) {
    return gauges(std::move(name), std::move(help), {}).with({});
}

Histogram Metrics::histogram(
    std::string name, std::string help, std::vector<double> bounds
) {
    return histograms(std::move(name), std::move(help), {}, std::move(bounds)).with({});
}

void Metrics::on_scrape(std::function<void()> update) {
    const std::lock_guard lock{impl_->mutex};
    impl_->updates.push_back(std::move(update));
}

std::string Metrics::serialize() const {
    std::vector<std::function<void()>> updates;
    {
        const std::lock_guard lock{impl_->mutex};
        updates = impl_->updates;
    }
    for (const auto& update : updates) update();
    return prometheus::TextSerializer{}.Serialize(impl_->registry.Collect());
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

}  // namespace resilience::host
