// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/writers.hpp>

#include <resilience/postgres/libpq_transaction.hpp>

#include <e2e/harness/process.hpp>

#include <set>
#include <utility>

namespace resilience::e2e {
namespace {

std::size_t below(std::mt19937& random, std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>{0, limit - 1}(random);
}

bool one_in(std::mt19937& random, std::size_t chances) {
    return below(random, chances) == 0;
}

}  // namespace

// One session and what it does next.
struct Writers::Writer {
    Writer(const Writers& owner, int number_of_writer)
        : all(owner),
          number(number_of_writer),
          random(owner.options_.seed * 1000U + static_cast<unsigned>(number_of_writer)),
          session(owner.conninfo_) {
        if (!all.options_.synchronous_commit) session.run("SET synchronous_commit = off");
    }

    // Ascending, so that no two writers wait for one another.
    std::set<std::size_t> some_keys() {
        std::set<std::size_t> keys;
        const auto count = one_in(random, 4) ? 1 + below(random, 6) : 1;
        const auto limit = static_cast<std::size_t>(all.options_.keys);
        while (keys.size() < count) keys.insert(below(random, limit));
        return keys;
    }

    void append(std::size_t key) {
        const auto name = "k" + std::to_string(key);
        const auto n = session.value(
            "UPDATE chaos_counters SET n = n + 1 WHERE key = $1 RETURNING n", {name}
        );
        Event event{
            .aggregate_type = "counter",
            .aggregate_id = name,
            .event_type = n,
            .event_data = "{\"n\":" + n + "}"};
        if (all.options_.shape) all.options_.shape(event, random);
        postgres::LibpqTransaction transaction{session.native()};
        const auto id = all.outbox_.append(transaction, std::move(event));
        if (!id) throw SessionError(id.error().message());
        ++events;
    }

    void append_and_take_back(std::size_t key) {
        const auto before = events;
        session.run("SAVEPOINT s");
        append(key);
        if (one_in(random, 2)) append(key);
        session.run("ROLLBACK TO SAVEPOINT s");
        events = before;
    }

    void linger(std::size_t milliseconds) {
        session.run("SELECT pg_sleep($1::float8 / 1000)", {std::to_string(milliseconds)});
    }

    // Returns how many events were committed, as the server says.
    std::size_t transact() {
        events = 0;
        session.run("BEGIN");
        const bool is_early = one_in(random, 4);
        if (is_early) {
            session.run("INSERT INTO chaos_elsewhere VALUES (1)");
            linger(below(random, 15));
        }
        for (const auto key : some_keys()) {
            if (one_in(random, 6)) append_and_take_back(key);
            append(key);
            if (one_in(random, 8)) {
                session.run("SAVEPOINT kept");
                append(key);
                session.run("RELEASE SAVEPOINT kept");
            }
        }
        if (one_in(random, 60)) linger(100 + below(random, 400));
        if (one_in(random, 12)) {
            session.run("ROLLBACK");
            return 0;
        }
        if (all.options_.two_phase && one_in(random, 10)) return prepare();
        session.run("COMMIT");
        return events;
    }

    std::size_t prepare() {
        const auto name =
            "'chaos-" + std::to_string(number) + '-' + std::to_string(++prepared) + '\'';
        session.run("PREPARE TRANSACTION " + name);
        linger(below(random, 30));
        const bool is_kept = !one_in(random, 4);
        session.run((is_kept ? "COMMIT PREPARED " : "ROLLBACK PREPARED ") + name);
        return is_kept ? events : 0;
    }

    const Writers& all;
    int number;
    std::mt19937 random;
    Session session;
    std::size_t events = 0;
    static thread_local int prepared;
};

// Counts over all sessions of a thread: a prepared transaction outlives its session.
thread_local int Writers::Writer::prepared = 0;

Writers::Writers(std::string conninfo, WritersOptions options)
    : conninfo_(std::move(conninfo)),
      options_(std::move(options)),
      outbox_(OutboxOptions{
          .topic = options_.topic,
          .max_event_bytes = 4'000'000,
          .lanes = static_cast<std::int16_t>(options_.lanes)}) {
    Session session(conninfo_);
    session.run("CREATE TABLE IF NOT EXISTS chaos_elsewhere (x int)");
    session.run(
        "CREATE TABLE IF NOT EXISTS chaos_counters (key text PRIMARY KEY, n bigint NOT "
        "NULL) WITH (fillfactor = 50)"
    );
    session.run(
        "INSERT INTO chaos_counters SELECT 'k' || k, 0 FROM "
        "generate_series(0, $1::int - 1) k ON CONFLICT DO NOTHING",
        {std::to_string(options_.keys)}
    );
    for (int i = 0; i < options_.writers; ++i) {
        threads_.emplace_back([this, i] { work(i); });
    }
}

Writers::~Writers() {
    try {
        stop();
    } catch (const std::exception&) {
        // The server is down by the test's own doing.
    }
}

void Writers::stop() {
    stopping_ = true;
    if (threads_.empty()) return;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    decide_prepared();
}

void Writers::work(int number) {
    while (!stopping_) {
        try {
            Writer writer(*this, number);
            const auto longest = static_cast<std::size_t>(options_.pause.count()) * 2 + 1;
            while (!stopping_) {
                acknowledged_ += writer.transact();
                std::this_thread::sleep_for(std::chrono::milliseconds{
                    below(writer.random, longest)});
            }
        } catch (const SessionError&) {
            pause_between_looks();
        }
    }
}

// Those whose writer lost its connection in between.
void Writers::decide_prepared() {
    Session session(conninfo_);
    const auto names = session.run(
        "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
    );
    for (const auto& row : names) session.run("COMMIT PREPARED '" + row.at(0) + '\'');
}

}  // namespace resilience::e2e
