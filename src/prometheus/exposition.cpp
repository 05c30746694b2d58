// SPDX-License-Identifier: MIT
#include "prometheus/exposition.hpp"

#include "prometheus/signal.hpp"

#include <prometheus/check_names.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

namespace resilience::prometheus::detail {

using ::prometheus::ClientMetric;
using ::prometheus::MetricType;

bool Exposition::number(
    std::string_view name,
    const std::string& help,
    Labels labels,
    double value,
    Again again
) {
    const bool grows = name.ends_with("_total");
    const MetricType type = grows ? MetricType::Counter : MetricType::Gauge;
    const auto [metric, is_new] = place(name, help, type, std::move(labels));
    if (metric == nullptr) return false;
    double& shown = grows ? metric->counter.value : metric->gauge.value;
    if (is_new) {
        shown = value;
    } else if (again == Again::merge) {
        shown = grows ? shown + value : std::max(shown, value);
    }
    return true;
}

bool Exposition::histogram(
    std::string_view name,
    const std::string& help,
    Labels labels,
    ClientMetric::Histogram value
) {
    const auto [metric, is_new] =
        place(name, help, MetricType::Histogram, std::move(labels));
    if (metric == nullptr) return false;
    if (is_new) metric->histogram = std::move(value);
    return true;
}

Exposition::Place Exposition::place(
    std::string_view name, const std::string& help, MetricType type, Labels labels
) {
    const auto renamed = profile_.names.find(name);
    if (renamed != profile_.names.end()) name = renamed->second;
    std::string full = profile_.prefix + '_';
    full += name;
    auto found = families_.find(full);
    if (found == families_.end()) {
        if (!::prometheus::CheckMetricName(full)) return {};
        Family made{{.name = full, .help = help, .type = type, .metric = {}}, {}, false};
        found = families_.emplace(std::move(full), std::move(made)).first;
    }
    auto& [family, series, complete] = found->second;
    if (complete || family.type != type) return {};
    const auto [at, is_new] = series.try_emplace(std::move(labels), family.metric.size());
    if (is_new) {
        family.metric.emplace_back();
        family.metric.back().label = at->first;
    }
    return {&family.metric[at->second], is_new};
}

void Exposition::family(::prometheus::MetricFamily family) {
    if (family.metric.empty()) return;
    std::string name = family.name;
    families_.try_emplace(std::move(name), Family{std::move(family), {}, true});
}

std::vector<::prometheus::MetricFamily> Exposition::take() {
    std::vector<::prometheus::MetricFamily> all;
    all.reserve(families_.size());
    for (auto& [name, family] : families_) all.push_back(std::move(family.family));
    return all;
}

void check(const Profile& profile) {
    const auto require = [](bool good, const char* rule) {
        if (!good) throw std::invalid_argument{rule};
    };
    require(
        !profile.prefix.empty() && ::prometheus::CheckMetricName(profile.prefix),
        "Profile::prefix must be a name of a metric"
    );
    bool usable = !profile.label.empty() && ::prometheus::CheckLabelName(profile.label);
    usable = usable && profile.label != "le" && profile.label != "verdict";
    for (const SignalInfo& info : signals()) {
        usable = usable && (!info.family.label || profile.label != info.family.label);
    }
    require(usable, "Profile::label must be a name of a label that no metric has");
    std::set<std::string_view> targets;
    for (const auto& [from, to] : profile.names) {
        require(
            ::prometheus::CheckMetricName(profile.prefix + '_' + to),
            "Profile::names must be parts of names of metrics"
        );
        require(
            from.ends_with("_total") == to.ends_with("_total"),
            "Profile::names must end in _total where they stand for such"
        );
        require(targets.insert(to).second, "Profile::names must differ");
    }
}

}  // namespace resilience::prometheus::detail
