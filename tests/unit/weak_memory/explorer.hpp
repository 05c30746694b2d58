// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_WEAK_MEMORY_EXPLORER_HPP
#define TESTS_UNIT_WEAK_MEMORY_EXPLORER_HPP

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "unit/weak_memory/memory.hpp"

namespace resilience::testing::weak {

/// Behind the locations of memory come those of who sleeps for each.
inline constexpr LocationId nowhere = 2 * max_locations;

/// What a thread is about to do with something that threads share.
struct Step {
    const char* name = "";
    LocationId where = nowhere;
    bool writes = false;
    LocationId also = nowhere;      // another location, which it writes
    const bool* blocked = nullptr;  // it cannot be done while this is true

    bool writes_to(LocationId location) const {
        return location != nowhere && (also == location || (writes && where == location));
    }

    /// Whether the order of two steps may make a difference.
    friend bool depend(const Step& a, const Step& b) {
        return a.writes_to(b.where) || a.writes_to(b.also) || b.writes_to(a.where) ||
               b.writes_to(a.also);
    }
};

struct Exploration {
    std::size_t executions = 0;
    /// Whether that is all there are.
    bool complete = false;
    /// What went wrong in the last execution, and its steps.
    std::string failure;

    bool proves() const { return complete && failure.empty(); }
};

/** Runs a small program in every way that its threads can take turns and that memory can
    answer.

    A program is done again from its beginning for each execution: threads are stacks of
    their own within one thread of the system, which change only where something shared is
    used, and each choice is remembered, so that the next execution differs in the last
    one that is not exhausted. Of executions that differ only in the order of steps that
    do not depend on each other one is enough: Flanagan and Godefroid, "Dynamic
    partial-order reduction for model checking software" (POPL 2005), with sleep sets.
    Norris and Demsky's CDSChecker (OOPSLA 2013) explores C++11 likewise.
*/
class Explorer {
public:
    using Work = std::function<void()>;

    static constexpr std::size_t most_steps = 5000;

    /// @param reduces Whether executions are left out that differ only in the order of
    ///     steps that do not depend on each other.
    explicit Explorer(bool reduces = true) : reduces_{reduces} {}

    static Explorer*& current() {
        static Explorer* explorer = nullptr;
        return explorer;
    }

    Exploration explore(const Work& program, std::size_t most_executions) {
        Explorer* const outer = std::exchange(current(), this);
        Exploration result;
        do {
            begin();
            program();
            ++result.executions;
            result.complete = failure_.empty() && !advance();
        } while (failure_.empty() && !result.complete &&
                 result.executions < most_executions);
        result.failure = failure_;
        current() = outer;
        return result;
    }

    /// Runs the threads of the program to their ends. Called once by a program.
    void run(std::vector<Work> threads) {
        for (const Work& work : threads) start(work);
        memory.release(0);
        ThreadId next = pick(0);
        if (next != 0) change_to(next);
        if (!abandoned_) {
            for (ThreadId t = 1; t < threads_.size(); ++t) {
                memory.acquire(0, memory.release(t));
            }
        }
        running_ = 0;
    }

    /// The thread that runs; zero is the program itself.
    ThreadId running() const { return running_; }

    /// Returns when it is the calling thread's turn to do this.
    void turn(const Step& step) {
        if (running_ == 0) return;
        threads_[running_].next = step;
        if (starting_) return change_to(0);
        const ThreadId next = pick(running_);
        if (next != running_) change_to(next);
    }

    /// One of `n` possibilities; all of them in the end.
    std::size_t choose(std::size_t n) {
        if (n == 1 || quiet_) return 0;
        if (position_ == path_.size()) path_.push_back({.possibilities = n});
        return path_[position_++].chosen;
    }

    /// What the thread has done comes before what others do with that location from now
    /// on.
    void come_before(LocationId where) {
        join(marks_[where].writes, threads_[running_].known);
    }

    void fail(const std::string& why) {
        if (!failure_.empty()) return;
        failure_ = why;
        for (const Event& e : trace_) {
            failure_ += "\n  " + std::to_string(e.thread) + ": " + e.step.name;
            if (e.step.where < max_locations) {
                failure_ += " #" + std::to_string(e.step.where);
            }
        }
    }

    Memory memory;

private:
    using Set = unsigned;  // of threads

    static Set only(ThreadId t) { return 1u << t; }

    struct Thread {
        Work work;
        Step next{};
        bool finished = false;
        VectorClock known{};  // the latest step of each thread that its own depend on
        ucontext_t context{};
    };

    /// A choice on the way to where the exploration is. Of threads if it has no
    /// possibilities.
    struct Choice {
        std::size_t possibilities = 0;
        std::size_t chosen = 0;
        Set enabled = 0;
        Set wanted = 0;
        Set done = 0;
        Set asleep = 0;  // what they would do first has been explored elsewhere
    };

    struct Event {
        ThreadId thread;
        Step step;
        std::size_t choice;
        std::uint32_t number;  // of those of its thread
    };

    struct Marks {
        VectorClock reads{};
        VectorClock writes{};
    };

    void begin() {
        memory = {};
        threads_.clear();
        threads_.reserve(max_threads);
        threads_.resize(1);
        trace_.clear();
        marks_ = {};
        position_ = 0;
        asleep_ = 0;
        quiet_ = false;
        abandoned_ = false;
        running_ = 0;
    }

    /// Lets a thread run to its first step.
    void start(const Work& work) {
        const ThreadId t = threads_.size();
        if (t == max_threads) throw std::length_error{"threads"};
        threads_.push_back({.work = work});
        memory.acquire(t, memory.release(0));
        memory.release(t);
        Thread& thread = threads_[t];
        auto& stack = stacks_[t];
        stack.resize(256 * 1024);
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = stack.data();
        thread.context.uc_stack.ss_size = stack.size();
        thread.context.uc_link = nullptr;
        makecontext(&thread.context, &Explorer::body, 0);
        starting_ = true;
        change_to(t);
        starting_ = false;
    }

    static void body() {
        Explorer& self = *current();
        const ThreadId t = self.running_;
        self.threads_[t].work();
        self.threads_[t].finished = true;
        self.change_to(self.starting_ ? 0 : self.pick(t));
    }

    void change_to(ThreadId next) {
        const ThreadId from = std::exchange(running_, next);
        swapcontext(&threads_[from].context, &threads_[next].context);
    }

    /// Decides whose step is next, and notes it; the program itself if there is none.
    ThreadId pick(ThreadId last) {
        if (trace_.size() == most_steps) return abandon("it does not end");
        Set enabled = 0;
        bool all_finished = true;
        for (ThreadId t = 1; t < threads_.size(); ++t) {
            const Thread& thread = threads_[t];
            if (thread.finished) continue;
            all_finished = false;
            if (!thread.next.blocked || !*thread.next.blocked) enabled |= only(t);
        }
        if (!quiet_) find_races(last);
        if (enabled == 0) return all_finished ? 0 : abandon("all wait for each other");
        const ThreadId next = quiet_ ? lowest(enabled) : follow(enabled, last);
        note(next);
        return next;
    }

    ThreadId abandon(const char* why) {
        fail(why);
        abandoned_ = true;
        return 0;
    }

    static ThreadId lowest(Set set) {
        ThreadId t = 0;
        while (!(set & only(t))) ++t;
        return t;
    }

    /// The thread of the path that is explored, or of a new one.
    ThreadId follow(Set enabled, ThreadId last) {
        if (position_ == path_.size()) {
            const Set awake = enabled & ~asleep_;
            if (awake == 0) {
                // Whatever comes has been seen in another order.
                quiet_ = true;
                return lowest(enabled);
            }
            const ThreadId next = awake & only(last) ? last : lowest(awake);
            path_.push_back(
                {.chosen = next,
                 .enabled = enabled,
                 .wanted = reduces_ ? only(next) : enabled,
                 .asleep = asleep_}
            );
        }
        const Choice& choice = path_[position_++];
        asleep_ = 0;
        for (ThreadId t = 1; t < threads_.size(); ++t) {
            const bool sleeps = (choice.asleep | choice.done) & only(t);
            if (reduces_ && t != choice.chosen && sleeps &&
                !depend(threads_[t].next, threads_[choice.chosen].next)) {
                asleep_ |= only(t);
            }
        }
        return choice.chosen;
    }

    /// Notes what a thread does now, and what that depends on.
    void note(ThreadId t) {
        Thread& thread = threads_[t];
        const Step& step = thread.next;
        const auto number = ++thread.known[t];
        for (const LocationId where : {step.where, step.also}) {
            if (where == nowhere) continue;
            join(thread.known, marks_[where].writes);
            if (step.writes_to(where)) join(thread.known, marks_[where].reads);
        }
        for (const LocationId where : {step.where, step.also}) {
            if (where == nowhere) continue;
            Marks& m = marks_[where];
            join(step.writes_to(where) ? m.writes : m.reads, thread.known);
        }
        trace_.push_back({t, step, position_ - 1, number});
    }

    /// Wants the other order of steps that depend on each other and happened to come so.
    void find_races(ThreadId last) {
        if (trace_.empty()) return;
        const Event& newest = trace_.back();
        for (ThreadId t = 1; t < threads_.size(); ++t) {
            const Thread& thread = threads_[t];
            if (t == last || thread.finished || t == newest.thread) continue;
            if (depend(newest.step, thread.next)) want(newest, t);
        }
        if (last == 0 || threads_[last].finished) return;
        const Thread& thread = threads_[last];
        for (std::size_t i = trace_.size(); i-- > 0;) {
            const Event& e = trace_[i];
            if (e.thread == last || !depend(e.step, thread.next)) continue;
            if (e.number <= thread.known[e.thread]) continue;
            return want(e, last);
        }
    }

    void want(const Event& before, ThreadId t) {
        Choice& choice = path_[before.choice];
        choice.wanted |= choice.enabled & only(t) ? only(t) : choice.enabled;
    }

    /// Goes back to the last choice that is not exhausted; false if there is none.
    bool advance() {
        for (; !path_.empty(); path_.pop_back()) {
            Choice& choice = path_.back();
            if (choice.possibilities > 0) {
                if (++choice.chosen < choice.possibilities) return true;
                continue;
            }
            choice.done |= only(choice.chosen);
            const Set left = choice.wanted & ~choice.done & ~choice.asleep;
            if (left == 0) continue;
            choice.chosen = lowest(left);
            return true;
        }
        return false;
    }

    const bool reduces_;
    std::vector<Thread> threads_;
    std::array<std::vector<char>, max_threads> stacks_;
    std::vector<Choice> path_;
    std::vector<Event> trace_;
    std::array<Marks, nowhere> marks_{};
    std::size_t position_ = 0;
    Set asleep_ = 0;
    ThreadId running_ = 0;
    bool starting_ = false;
    bool quiet_ = false;
    bool abandoned_ = false;
    std::string failure_;
};

/// Explores all executions of `program`, which makes what is shared, calls @ref run, and
/// looks at the end of it.
inline Exploration explore(
    const Explorer::Work& program, std::size_t most_executions = 3'000'000
) {
    return Explorer{}.explore(program, most_executions);
}

inline void run(std::vector<Explorer::Work> threads) {
    Explorer::current()->run(std::move(threads));
}

/// Demands something of every execution.
inline void demand(bool holds, const char* what) {
    if (!holds) Explorer::current()->fail(what);
}

}  // namespace resilience::testing::weak

#endif
