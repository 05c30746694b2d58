// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_REQUEST_LEDGER_HPP
#define RESILIENCE_SRC_KAFKA_REQUEST_LEDGER_HPP

#include <resilience/clock.hpp>
#include <resilience/kafka/lane_producer_options.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace resilience::kafka::detail {

/** Counts the requests of one transaction that could decide a later one if the broker got
    them late, and their answers (I8).

    @par Thread safety
    Safe; the client's threads write while another reads.
*/
class RequestLedger {
public:
    /// The requests that count, by their numbers in Kafka's protocol.
    static constexpr int produce = 0;
    static constexpr int add_partitions = 24;
    static constexpr int end_transaction = 26;

    /// Begins the count of a transaction. Whether it ever was balanced is forgotten: only
    /// a producer whose last transaction was may begin another.
    void begin() noexcept {
        for (auto& each : counts_) {
            each.sent = 0;
            each.answered = 0;
        }
        put_off_ = false;
    }

    /// Notes a request that was written to a connection, each copy of it.
    void sent(int api, TimePoint now) noexcept {
        if (api == add_partitions && counts_[1].answered > 0 && counts_[0].sent == 0 &&
            now - added_.load() >= put_off_time) {
            put_off_ = true;
        }
        if (const auto i = index_of(api)) ++counts_[*i].sent;
    }

    /// Notes the end of a request. @param arrived Whether that was an answer, not the
    /// loss of the connection or the end of patience.
    void ended(int api, bool arrived, TimePoint now) noexcept {
        const auto i = index_of(api);
        if (!i || !arrived) return;
        if (api == add_partitions) added_ = now;
        ++counts_[*i].answered;
    }

    /// Whether the transaction was put off at its begin, because the cluster was still
    /// ending the one before it: nothing was sent between two requests to begin it.
    bool is_put_off() const noexcept { return put_off_; }

    /// Whether the end of the transaction was sent.
    bool is_end_sent() const noexcept { return counts_[2].sent > 0; }

    /// Whether nothing is left that could arrive late: each request was answered, and the
    /// end was sent once.
    bool is_balanced() const noexcept {
        for (const auto& each : counts_) {
            if (each.sent != each.answered) return false;
        }
        return counts_[2].sent == 1;
    }

    std::string text() const {
        static constexpr const char* names[] = {
            "Produce", "AddPartitionsToTxn", "EndTxn"};
        std::string text;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            if (i > 0) text += ", ";
            text += std::string{names[i]} + " sent " + std::to_string(counts_[i].sent) +
                    " answered " + std::to_string(counts_[i].answered);
        }
        return text;
    }

private:
    struct Count {
        std::atomic<std::uint32_t> sent{0};
        std::atomic<std::uint32_t> answered{0};
    };

    static constexpr std::optional<std::size_t> index_of(int api) noexcept {
        switch (api) {
            case produce:
                return 0;
            case add_partitions:
                return 1;
            case end_transaction:
                return 2;
            default:
                return std::nullopt;
        }
    }

    // The client asks again after 20 ms; for further partitions after one.
    static constexpr std::chrono::milliseconds put_off_time{15};

    std::array<Count, 3> counts_;
    std::atomic<TimePoint> added_{};
    std::atomic<bool> put_off_{false};
};

/// Decides whether a producer is replaced after a committed transaction. Pure.
inline bool must_replace(EpochGuard guard, const RequestLedger& ledger) noexcept {
    switch (guard) {
        case EpochGuard::on_suspicion:
            return !ledger.is_balanced();
        case EpochGuard::every_transaction:
            return true;
        case EpochGuard::off:
            return false;
    }
    return true;
}

}  // namespace resilience::kafka::detail

#endif
