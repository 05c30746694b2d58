// SPDX-License-Identifier: MIT
#include <resilience/prometheus/collectable.hpp>
#include <resilience/prometheus/metrics.hpp>

#include <resilience/detail/utf8.hpp>

#include "prometheus/exposition.hpp"
#include "prometheus/instruments.hpp"
#include "prometheus/label_set.hpp"
#include "prometheus/request_counters.hpp"
#include "prometheus/signal.hpp"

#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace resilience::prometheus {
namespace {

using detail::CounterBank;
using detail::DurationBounds;
using detail::Exposition;
using detail::RequestCounters;
using detail::SignalInfo;
using ::prometheus::MetricFamily;
using ::prometheus::MetricType;

/// Kinds and labels of which something is shown.
using Shown = std::set<std::pair<std::string_view, std::string>>;

MetricsOptions checked(MetricsOptions options) {
    const auto require = [](bool good, const char* rule) {
        if (!good) throw std::invalid_argument{rule};
    };
    detail::check(options.profile);
    require(
        options.max_names >= 1 && options.max_names <= 10'000,
        "MetricsOptions::max_names must be 1 to 10000"
    );
    const auto& bounds = options.duration_bounds;
    require(
        !bounds.empty() && bounds.size() <= RequestCounters::kMostBounds,
        "MetricsOptions::duration_bounds must be 1 to 64"
    );
    double last = 0;
    for (const double bound : bounds) {
        require(
            bound > last && bound <= 86'400,
            "MetricsOptions::duration_bounds must ascend and be positive and at most a "
            "day"
        );
        last = bound;
    }
    return options;
}

std::shared_ptr<const DurationBounds> durations(const std::vector<double>& seconds) {
    auto bounds = std::make_shared<DurationBounds>();
    for (const double bound : seconds) {
        bounds->push_back(std::chrono::nanoseconds{std::llround(bound * 1e9)});
    }
    return bounds;
}

void check_name(std::string_view name) {
    if (name.empty() || name.size() > Registry::max_name ||
        !resilience::detail::is_storable_text(name)) {
        throw std::invalid_argument{
            "the name of a policy must be UTF-8, of 1 to 128 bytes"};
    }
}

/// Signals of one kind, which stand together.
std::vector<std::span<const SignalInfo>> signals_by_kind() {
    std::vector<std::span<const SignalInfo>> kinds;
    const auto all = detail::signals();
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
        while (end < all.size() &&
               std::string_view{all[end].family.kind} == all[begin].family.kind)
            ++end;
        kinds.push_back(all.subspan(begin, end - begin));
    }
    return kinds;
}

}  // namespace

struct Metrics::Impl final : ::prometheus::Collectable {
    explicit Impl(const MetricsOptions& o)
        : options{checked(o)},
          bounds{durations(options.duration_bounds)},
          labels{options.max_names} {}

    std::vector<MetricFamily> Collect() const override;

    std::vector<PolicySnapshot> read_registries() const;
    Exposition::Labels labelled(const std::string& name) const {
        return {{options.profile.label, name}};
    }
    void show(const PolicySnapshot& policy, Exposition& out, Shown& shown) const;
    void show(
        const std::string& name,
        const CounterBank& counters,
        const Shown& shown,
        Exposition& out
    ) const;
    void show(const std::string& name, const RequestCounters& counters, Exposition& out)
        const;
    void must(bool shown) const noexcept { unshown += !shown; }

    const MetricsOptions options;
    const std::shared_ptr<const DurationBounds> bounds;
    const std::vector<std::span<const SignalInfo>> kinds = signals_by_kind();
    detail::Instruments own{max_families, max_updates};

    // A scrape is const to its caller, but finds places for new names and counts.
    mutable std::mutex mutex;
    mutable detail::LabelSet labels;
    mutable std::uint64_t unshown = 0;
    std::map<std::string, std::shared_ptr<CounterBank>> observers;
    std::map<std::string, std::shared_ptr<RequestCounters>> requests;
    std::vector<std::weak_ptr<const Registry>> registries;
};

std::vector<PolicySnapshot> Metrics::Impl::read_registries() const {
    std::vector<std::weak_ptr<const Registry>> known;
    {
        const std::lock_guard lock{mutex};
        known = registries;
    }
    std::vector<PolicySnapshot> policies;
    for (const auto& weak : known) {
        const auto registry = weak.lock();
        if (!registry) continue;
        for (PolicySnapshot& policy : registry->snapshot()) {
            policies.push_back(std::move(policy));
        }
    }
    return policies;
}

void Metrics::Impl::show(const PolicySnapshot& policy, Exposition& out, Shown& shown)
    const {
    must(!policy.failed);
    if (policy.readings.empty()) return;
    const std::string& name = labels.place(policy.name);
    shown.emplace(policy.kind, name);
    for (const Reading& reading : policy.readings) {
        std::string metric{policy.kind};
        metric += '_';
        metric += reading.name;
        const std::string help = "The reading " + std::string{reading.name} + " of a " +
                                 std::string{policy.kind} + '.';
        must(out.number(
            metric, help, labelled(name), reading.value, Exposition::Again::merge
        ));
    }
}

void Metrics::Impl::show(
    const std::string& name,
    const CounterBank& counters,
    const Shown& shown,
    Exposition& out
) const {
    for (const auto kind : kinds) {
        const bool happened =
            std::any_of(kind.begin(), kind.end(), [&](const auto& info) {
                return counters.sum(index_of(info.signal)) > 0;
            });
        // So a policy that is known has its counters before the first event.
        if (!happened && !shown.contains({kind.front().family.kind, name})) continue;
        for (const SignalInfo& info : kind) {
            Exposition::Labels with = labelled(name);
            const auto& family = info.family;
            if (family.label != nullptr) with.push_back({family.label, info.value});
            const auto sum = static_cast<double>(counters.sum(index_of(info.signal)));
            must(out.number(
                std::string{family.kind} + '_' + family.name,
                family.help,
                std::move(with),
                sum * family.unit
            ));
        }
    }
}

void Metrics::Impl::show(
    const std::string& name, const RequestCounters& counters, Exposition& out
) const {
    ::prometheus::ClientMetric::Histogram histogram;
    for (std::size_t i = 0; i <= options.duration_bounds.size(); ++i) {
        histogram.sample_count += counters.bucket(i);
        const bool last = i == options.duration_bounds.size();
        histogram.bucket.push_back(
            {histogram.sample_count, last ? INFINITY : options.duration_bounds[i]}
        );
    }
    histogram.sample_sum = static_cast<double>(counters.took()) * 1e-9;
    must(out.number(
        "requests_total",
        "Requests that have ended.",
        labelled(name),
        static_cast<double>(histogram.sample_count)
    ));
    must(out.histogram(
        "request_duration_seconds",
        "Time from the begin of a request to its end.",
        labelled(name),
        std::move(histogram)
    ));
    for (std::size_t i = 0; i < detail::error_kinds.size(); ++i) {
        Exposition::Labels with = labelled(name);
        with.push_back({"verdict", detail::error_kinds[i].name});
        must(out.number(
            "errors_total",
            "Requests that ended in an error, by what it says of the peer.",
            std::move(with),
            static_cast<double>(counters.errors(i))
        ));
    }
}

std::vector<MetricFamily> Metrics::Impl::Collect() const {
    // Before the lock is taken, because both are the user's code.
    const std::uint64_t failed_updates = own.update();
    const std::vector<PolicySnapshot> policies = read_registries();
    const std::lock_guard lock{mutex};
    unshown += failed_updates;
    Exposition out{options.profile};
    own.show(out);
    Shown shown;
    for (const PolicySnapshot& policy : policies) show(policy, out, shown);
    for (const auto& [name, counters] : observers) show(name, *counters, shown, out);
    for (const auto& [name, counters] : requests) show(name, *counters, out);
    must(out.number(
        "label_overflows_total",
        "Times that a name or label found no place and counted as _OTHER.",
        {},
        static_cast<double>(labels.overflows() + own.overflows())
    ));
    out.number(
        "scrape_errors_total",
        "What a scrape could not show: policies, readings, updates that threw.",
        {},
        static_cast<double>(unshown)
    );
    return out.take();
}

Metrics::Metrics(const MetricsOptions& options)
    : impl_(std::make_shared<Impl>(options)) {}

Observer Metrics::observer(std::string_view name) {
    check_name(name);
    const std::lock_guard lock{impl_->mutex};
    auto& counters = impl_->observers[impl_->labels.place(name)];
    if (!counters) counters = std::make_shared<CounterBank>();
    return Observer{counters};
}

Requests Metrics::requests(std::string_view name) {
    check_name(name);
    const std::lock_guard lock{impl_->mutex};
    auto& counters = impl_->requests[impl_->labels.place(name)];
    if (!counters) counters = std::make_shared<RequestCounters>(impl_->bounds);
    return Requests{counters};
}

CounterFamily Metrics::counters(
    std::string name,
    std::string help,
    std::vector<std::string> labels,
    std::size_t max_series
) {
    return CounterFamily{impl_->own.family(
        {.type = MetricType::Counter,
         .name = std::move(name),
         .help = std::move(help),
         .labels = std::move(labels),
         .max_series = max_series}
    )};
}

GaugeFamily Metrics::gauges(
    std::string name,
    std::string help,
    std::vector<std::string> labels,
    std::size_t max_series
) {
    return GaugeFamily{impl_->own.family(
        {.type = MetricType::Gauge,
         .name = std::move(name),
         .help = std::move(help),
         .labels = std::move(labels),
         .max_series = max_series}
    )};
}

HistogramFamily Metrics::histograms(
    std::string name,
    std::string help,
    std::vector<std::string> labels,
    std::vector<double> bounds,
    std::size_t max_series
) {
    if (bounds.empty()) bounds = impl_->options.duration_bounds;
    return HistogramFamily{impl_->own.family(
        {.type = MetricType::Histogram,
         .name = std::move(name),
         .help = std::move(help),
         .labels = std::move(labels),
         .max_series = max_series,
         .bounds = std::move(bounds)}
    )};
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
    impl_->own.on_scrape(std::move(update));
}

void Metrics::collect(std::weak_ptr<const Registry> registry) {
    const std::lock_guard lock{impl_->mutex};
    auto& known = impl_->registries;
    std::erase_if(known, [&](const auto& other) {
        const bool same = !other.owner_before(registry) && !registry.owner_before(other);
        return same || other.expired();
    });
    if (known.size() >= max_registries) {
        throw std::length_error{"Metrics reads 64 registries already"};
    }
    known.push_back(std::move(registry));
}

std::string Metrics::serialize() const {
    std::ostringstream out;
    ::prometheus::TextSerializer{}.Serialize(out, impl_->Collect());
    return std::move(out).str();
}

struct detail::MetricsAccess {
    static std::shared_ptr<::prometheus::Collectable> impl(const Metrics& metrics) {
        return metrics.impl_;
    }
};

std::shared_ptr<::prometheus::Collectable> collectable(const Metrics& metrics) {
    return detail::MetricsAccess::impl(metrics);
}

}  // namespace resilience::prometheus
