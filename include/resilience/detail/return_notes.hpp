// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_RETURN_NOTES_HPP
#define RESILIENCE_DETAIL_RETURN_NOTES_HPP

#include <resilience/detail/sync.hpp>

#include <atomic>
#include <cstdint>

namespace resilience::detail {

/** Keeps how many tokens refunds have returned to a bucket, which its word does not tell.

    Whoever changes the word writes its note before that, so whoever finds the change in
    the word finds the note too. A note whose change was overtaken makes a refund by
    another thread return less, never more.
*/
class ReturnNotes {
public:
    /// Tokens ever returned, for a receipt: those of refunds that are certain to be in
    /// the word if it is not overtaken. Had it counted others, which go into the word
    /// after the receipt's own taking, nobody could tell later that they did.
    std::uint64_t returned() const noexcept {
        return returned_.load(std::memory_order_acquire);
    }

    /// What one refund does to the notes, however often it is overtaken.
    class Return {
    public:
        explicit Return(ReturnNotes& notes) noexcept : notes_{notes} {}
        Return(const Return&) = delete;
        Return& operator=(const Return&) = delete;

        /// Tokens ever returned by others, or about to be.
        std::uint64_t by_others() const noexcept {
            return notes_.returning_.load(std::memory_order_relaxed) - noted_;
        }

        /// Before the word is changed: so many tokens are about to be returned, instead
        /// of those noted before.
        void note(std::uint64_t tokens) noexcept {
            if (tokens == noted_) return;
            notes_.returning_.fetch_add(tokens - noted_, std::memory_order_relaxed);
            noted_ = tokens;
        }

        /// The word was changed: the tokens noted last are there.
        void finish() noexcept {
            notes_.returned_.fetch_add(noted_, std::memory_order_release);
        }

    private:
        ReturnNotes& notes_;
        std::uint64_t noted_ = 0;
    };

private:
    // Tokens of refunds before and after they changed the word. The first is never less
    // than the second.
    Atomic<std::uint64_t> returning_{0};
    Atomic<std::uint64_t> returned_{0};
};

}  // namespace resilience::detail

#endif
