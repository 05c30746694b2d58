// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SLOT_TABLE_HPP
#define RESILIENCE_DETAIL_SLOT_TABLE_HPP

#include <resilience/detail/sync.hpp>
#include <resilience/detail/table_array.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory_resource>

namespace resilience::detail {

/// One key's place: who it is, and the zero of its bucket.
struct Slot {
    Atomic<std::uint64_t> hash{0};
    Atomic<std::int64_t> word{0};
};

/// The later of two words: the stricter state, where words are instants.
struct LaterWord {
    std::int64_t join(std::int64_t a, std::int64_t b) const noexcept {
        return std::max(a, b);
    }
};

/// Asks for a cache line before it is needed.
inline void prefetch(const void* address) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(address, 1);
#else
    static_cast<void>(address);
#endif
}

/** Finds the bucket word of a key, or makes one, in a table of fixed size. Lock-free.

    A key may live in any slot of two groups. Its word is, if positive, the zero of a
   bucket; 0 if the slot is free; negative while the slot changes hands. Only a word whose
   bucket is full is ever given to another key, and since only the word decides, it
   changes hands by one exchange of that word:

        zero or 0  ->  claimed(ticket)    the hash is about to be replaced
                   ->  arriving(ticket)   the hash is in place, but may be in the other
   group too
                   ->  zero               or 0, if the key was found to have a slot
   already

    Two threads that insert one key at once both publish `arriving` before they look for
   each other, so at least one of them sees the other; the lower slot stays and the other
   becomes free again. Whoever meets an arriving key completes its arrival. Tickets are
   never used twice, so a thread that helps late does nothing.

    Each group also has one bucket that its keys without a slot share. It remembers the
   state of every key that was reclaimed, and is charged for keys that found no room. A
   key that gets a slot starts from there, so neither way leads to fresh tokens.

    @tparam Join `join(a, b)` is a word that is as strict as either.
*/
template <class Join = LaterWord>
class BasicSlotTable {
public:
    static constexpr std::size_t kSlotsPerGroup = 8;

    explicit BasicSlotTable(
        std::size_t groups,
        const Join& join = {},
        std::pmr::memory_resource* memory = std::pmr::new_delete_resource()
    )
        : groups_{groups, memory}, shared_{groups, memory}, size_{groups}, join_{join} {}

    std::size_t groups() const noexcept { return size_; }

    std::size_t first_group(std::uint64_t hash) const noexcept {
        return (hash >> 32) * size_ >> 32;
    }

    std::size_t second_group(std::uint64_t hash) const noexcept {
        const std::size_t group = (hash & 0xffffffff) * size_ >> 32;
        if (group != first_group(hash)) return group;
        return group + 1 == size_ ? 0 : group + 1;
    }

    /// Asks for the memory that the key's slot may be in.
    void fetch(std::uint64_t hash) const noexcept {
        const auto* const slots = groups_[first_group(hash)].slots.data();
        prefetch(slots);
        prefetch(slots + kSlotsPerGroup / 2);
    }

    /// Asks for the memory that the key's slot is in if it is not in its first group.
    void fetch_second(std::uint64_t hash) const noexcept {
        const auto* const slots = groups_[second_group(hash)].slots.data();
        prefetch(slots);
        prefetch(slots + kSlotsPerGroup / 2);
    }

    /// Calls `decide(zero, next)` until the `next` that it sets is stored or it returns
    /// false. A key without a slot gets one, a bucket of which the zero is at most `full`
    /// if need be. False if there was none, so that a shared bucket has decided.
    template <class Decide>
    bool update(std::uint64_t hash, std::int64_t full, Decide decide) noexcept {
        for (int claims = 0; !update_slot(hash, decide); ++claims) {
            std::int64_t next = 0;
            if (!decide(absent(hash), next)) return true;
            // Of two keys each may lose to the other the slot that it has just got.
            const bool claimed = claims < kMostClaims && claim(hash, full);
            if (!claimed && update_shared(hash, decide)) return false;
        }
        return true;
    }

    /// The same for a key that has a slot. False if it has none.
    template <class Decide>
    bool update_slot(std::uint64_t hash, Decide decide) noexcept {
        while (Slot* const slot = find(hash)) {
            if (update_found(*slot, hash, decide)) return true;
        }
        return false;
    }

    /// The first half of @ref update_slot: the slot of the key, or null. It may be given
    /// to another key at any time.
    Slot* find(std::uint64_t hash) noexcept {
        for (;;) {
            bool again = false;
            for (const std::size_t number : {first_group(hash), second_group(hash)}) {
                Group& group = groups_[number];
                for (unsigned found = group.matches(hash); found; found &= found - 1) {
                    Slot& slot = group.slots[std::countr_zero(found)];
                    const std::int64_t word = slot.word.load();
                    if (word > 0) return &slot;
                    if (arriving(word) && slot.hash.load() == hash) {
                        settle(hash, {&slot, word});
                        again = true;
                    }
                }
            }
            if (!again) return nullptr;
        }
    }

    /// The second half: decides once, in a slot that was found for the key. False if the
    /// slot changed before the decision was stored, or is another key's: look again.
    template <class Decide>
    bool update_found(Slot& slot, std::uint64_t hash, Decide decide) noexcept {
        std::int64_t zero = slot.word.load();
        // After the word: were it another key's, the exchange would charge that.
        if (zero <= 0 || slot.hash.load() != hash) return false;
        std::int64_t next = zero;
        if (decide(zero, next) && !slot.word.compare_exchange_strong(zero, next)) {
            return false;
        }
        // A key that got the slot meanwhile, with an equal word, was charged; this one is
        // asked again.
        return slot.hash.load() == hash;
    }

    /// The zero of the key's bucket.
    std::int64_t zero_of(std::uint64_t hash) noexcept {
        std::int64_t found = 0;
        const bool present =
            update_slot(hash, [&found](std::int64_t zero, std::int64_t&) {
                found = zero;
                return false;
            });
        return present ? found : absent(hash);
    }

    /// Tries to make a slot for a key that has none, from one that is free or whose zero
    /// is at most `full`. False if there is no such slot; else look again.
    bool claim(std::uint64_t hash, std::int64_t full) noexcept {
        const Arrival arrival = announce(hash, full);
        if (arrival.word < 0) settle(hash, arrival);
        return arrival.slot != nullptr;
    }

    /// A slot that is being made for a key, and its word meanwhile.
    struct Arrival {
        Slot* slot = nullptr;
        std::int64_t word = 0;
    };

    /// The first half of @ref claim. The word is 0 if another thread got the slot first.
    Arrival announce(std::uint64_t hash, std::int64_t full) noexcept {
        const Choice choice = choose(hash, full);
        if (choice.slot == nullptr) return {};
        // Before it can be missed: who finds the key absent reads this next.
        if (choice.word > 0) raise(shared_[choice.group], choice.word);
        const std::uint64_t ticket = tickets_.fetch_add(1, std::memory_order_relaxed);
        std::int64_t word = choice.word;
        if (!choice.slot->word.compare_exchange_strong(word, claimed_by(ticket))) {
            return {choice.slot, 0};
        }
        choice.slot->hash.store(hash);
        choice.slot->word.store(arriving_by(ticket));
        return {choice.slot, arriving_by(ticket)};
    }

    /// The second half: completes an arrival, whoever's it is, unless the key is
    /// elsewhere.
    void settle(std::uint64_t hash, Arrival mine) noexcept {
        Arrival rival;
        while (!alone(hash, mine.slot, rival)) {
            mine.slot->word.compare_exchange_strong(mine.word, 0);
            if (rival.slot == nullptr) return;
            mine = rival;
            rival = {};
        }
        mine.slot->word.compare_exchange_strong(mine.word, absent(hash));
    }

    /// How many slots of a group hold a zero that is later than `full`.
    std::size_t in_use(std::size_t group, std::int64_t full) const noexcept {
        const auto& slots = groups_[group].slots;
        return static_cast<std::size_t>(std::count_if(
            slots.begin(),
            slots.end(),
            [full](const Slot& slot) {
                return slot.word.load(std::memory_order_relaxed) > full;
            }
        ));
    }

private:
    struct alignas(128) Group {
        std::array<Slot, kSlotsPerGroup> slots;

        /// A bit for each slot that has the hash. Without branches: which slot it is
        /// cannot be predicted.
        unsigned matches(std::uint64_t hash) const noexcept {
            unsigned found = 0;
            for (unsigned i = 0; i < kSlotsPerGroup; ++i) {
                found |= unsigned{slots[i].hash.load() == hash} << i;
            }
            return found;
        }
    };

    struct Choice {
        Slot* slot = nullptr;
        std::size_t group = 0;
        std::int64_t word = 0;
    };

    static constexpr std::int64_t kLongFull = 1;
    static constexpr std::int64_t kChanging = std::numeric_limits<std::int64_t>::min();
    /// With so many slots of its first group in use, a key goes where there is more room.
    static constexpr std::size_t kCrowded = 6;
    /// After so many slots that a call got and lost, it does without.
    static constexpr int kMostClaims = 3;

    static constexpr std::int64_t claimed_by(std::uint64_t ticket) noexcept {
        return kChanging + static_cast<std::int64_t>(ticket * 2);
    }
    static constexpr std::int64_t arriving_by(std::uint64_t ticket) noexcept {
        return claimed_by(ticket) + 1;
    }
    static constexpr bool arriving(std::int64_t word) noexcept {
        return word < 0 && (word & 1) != 0;
    }

    void raise(Atomic<std::int64_t>& word, std::int64_t least) const noexcept {
        std::int64_t seen = word.load();
        for (;;) {
            const std::int64_t next = join_.join(seen, least);
            if (next == seen || word.compare_exchange_weak(seen, next)) return;
        }
    }

    /// The state of the bucket of a key that has no slot.
    std::int64_t absent(std::uint64_t hash) const noexcept {
        const std::int64_t first = shared_[first_group(hash)].load();
        const std::int64_t second = shared_[second_group(hash)].load();
        return std::max(join_.join(first, second), kLongFull);
    }

    /// Charges the bucket that keys without a slot share. False, and nothing changed, if
    /// the key has got a slot meanwhile.
    template <class Decide>
    bool update_shared(std::uint64_t hash, Decide decide) noexcept {
        Atomic<std::int64_t>& word = shared_[first_group(hash)];
        for (;;) {
            std::int64_t seen = word.load();
            std::int64_t next = 0;
            if (!decide(join_.join(seen, absent(hash)), next)) return true;
            if (!word.compare_exchange_strong(seen, next)) continue;
            // A key that arrives now either starts from this change or is found here.
            if (find(hash) == nullptr) return true;
            word.compare_exchange_strong(next, seen);
            return false;
        }
    }

    /// A free slot rather than a full bucket, in the group with more room.
    Choice choose(std::uint64_t hash, std::int64_t full) noexcept {
        Choice best;
        std::size_t least_used = kSlotsPerGroup;
        for (const std::size_t group : {first_group(hash), second_group(hash)}) {
            Choice found;
            std::size_t used = 0;
            for (Slot& slot : groups_[group].slots) {
                const std::int64_t word = slot.word.load();
                if (word < 0 || word > full) {
                    ++used;
                } else if (found.slot == nullptr || (word == 0 && found.word != 0)) {
                    found = {&slot, group, word};
                }
            }
            if (used < least_used) {
                best = found;
                least_used = used;
            }
            if (used < kCrowded) break;
        }
        return best;
    }

    /// Frees the rivals of `mine` that come after it. False if it has to give way: to
    /// `rival`, which is still arriving, or if that is left empty, to one that has
    /// arrived.
    bool alone(std::uint64_t hash, const Slot* mine, Arrival& rival) noexcept {
        for (const std::size_t group : {first_group(hash), second_group(hash)}) {
            for (Slot& slot : groups_[group].slots) {
                while (&slot != mine && slot.hash.load() == hash) {
                    std::int64_t word = slot.word.load();
                    if (slot.hash.load() != hash || (word <= 0 && !arriving(word))) break;
                    if (word > 0) return false;
                    if (&slot < mine) {
                        rival = {&slot, word};
                        return false;
                    }
                    if (slot.word.compare_exchange_strong(word, 0)) break;
                }
            }
        }
        return true;
    }

    TableArray<Group> groups_;
    TableArray<Atomic<std::int64_t>> shared_;
    std::size_t size_;
    [[no_unique_address]] Join join_;
    alignas(64) Atomic<std::uint64_t> tickets_{0};
};

using SlotTable = BasicSlotTable<>;

}  // namespace resilience::detail

#endif
