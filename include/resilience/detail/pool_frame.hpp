// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_POOL_FRAME_HPP
#define RESILIENCE_DETAIL_POOL_FRAME_HPP

namespace resilience::detail {

/// Marks that this thread runs tasks of a pool, as a worker or as a submitter; innermost
/// first.
class PoolFrame {
public:
    enum class Role { worker, submitter };

    PoolFrame(const void* pool, Role role) noexcept
        : pool_{pool}, role_{role}, outer_{innermost} {
        innermost = this;
    }
    PoolFrame(const PoolFrame&) = delete;
    PoolFrame& operator=(const PoolFrame&) = delete;
    ~PoolFrame() { innermost = outer_; }

    /// Whether this thread is a worker of `pool`.
    static bool works_for(const void* pool) noexcept {
        return any([pool](const PoolFrame& f) {
            return f.pool_ == pool && f.role_ == Role::worker;
        });
    }

    /// Whether this thread runs a task of `pool` that it submitted itself.
    static bool runs_own(const void* pool) noexcept {
        return any([pool](const PoolFrame& f) {
            return f.pool_ == pool && f.role_ == Role::submitter;
        });
    }

    /// Whether this thread runs a task of `pool` in any role.
    static bool runs_any(const void* pool) noexcept {
        return any([pool](const PoolFrame& f) { return f.pool_ == pool; });
    }

private:
    template <class Wanted>
    static bool any(const Wanted& wanted) noexcept {
        for (const PoolFrame* f = innermost; f; f = f->outer_) {
            if (wanted(*f)) return true;
        }
        return false;
    }

    static inline constinit thread_local const PoolFrame* innermost = nullptr;

    const void* pool_;
    Role role_;
    const PoolFrame* outer_;
};

}  // namespace resilience::detail

#endif
