// What a renewal costs the agent, on one core, beside what it cannot do without.
//
// "decide" is its decisions and cryptography: judge the device's answer, sign, keep, note that it
// was delivered, with the records in memory. "store" is the two durable changes of the same
// renewal in the real store on disk. "bare" is as much cryptography by direct calls (three
// verifications, one signature), "bare_store" two one-row transactions of plain SQLite on the same
// disk. All in one run; the closing line prints renewals per second and ratios.
#include <benchmark/benchmark.h>
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/desk.h"
#include "crypto/x509.h"
#include "enroll/agent.h"
#include "filled_store.h"
#include "median_reporter.h"
#include "support/fake_random.h"
#include "support/memory_records.h"
#include "support/standing_trust.h"

namespace {

using namespace latchkey;  // NOLINT(google-build-using-namespace)

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "latchkey-bench-XXXXXX").string();
    LATCHKEY_CHECK(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path path;
};

void decide(benchmark::State& state) {
  testing::FakeRandom random;
  testing::FixedClock clock;
  testing::StandingTrust trust;
  testing::MemoryRecords records(random, clock);
  agent::GrantDesk desk(records, random, clock, trust);
  bench::Maker maker(records.user_secret(), records.user_root(), clock.wall, random);
  bench::Issued one = maker.next();
  LATCHKEY_CHECK(records.save_issued(one.binding, one.grant));
  LATCHKEY_CHECK(records.activate(one.grant.id, one.grant.port));
  const Digest256 channel{};
  for (auto _ : state) {
    state.PauseTiming();
    const auto key = crypto::PrivateKey::generate();
    wire::RenewReply reply{crypto::make_csr(key), {}, {}};
    reply.proof = one.leaf_key.sign(enroll::renew_statement(one.grant.id, reply.csr, channel));
    state.ResumeTiming();
    LATCHKEY_CHECK(desk.renew(one.grant.id, reply, channel).has_value());
    LATCHKEY_CHECK(desk.delivered(one.grant.id, 8443).has_value());
    state.PauseTiming();
    one.leaf_key = key;
    state.ResumeTiming();
  }
}

void bare(benchmark::State& state) {
  const auto key = crypto::PrivateKey::generate();
  const auto check = key.public_key();
  const Bytes message(400, 7);
  const Bytes signature = key.sign(message);
  for (auto _ : state) {
    for (int i = 0; i < 3; ++i) {
      LATCHKEY_CHECK(check.verify(message, signature));
    }
    benchmark::DoNotOptimize(key.sign(message));
  }
}

void store(benchmark::State& state) {
  const Folder folder;
  testing::FakeRandom random;
  const WallTime now{1'800'000'000};
  const auto filled = bench::fill(folder.path / "agent", folder.path / "witness", 100, now, random);
  store::FileModeSealer sealer;
  auto store = store::AgentStore::open(folder.path / "agent", sealer, random);
  LATCHKEY_CHECK(store.has_value());
  store::FileWitness witness(folder.path / "witness" / hex_encode(store->id()));
  LATCHKEY_CHECK(store->watch(witness) == store::Standing::kCurrent);
  std::size_t next = 0;
  for (auto _ : state) {
    const grant::AgentGrant& grant = filled[next++ % filled.size()].grant;
    LATCHKEY_CHECK(store->save_renewed(grant).has_value());
    LATCHKEY_CHECK(store->activate(grant.id, 8443).has_value());
  }
}

void bare_store(benchmark::State& state) {
  const Folder folder;
  sqlite3* database = nullptr;
  LATCHKEY_CHECK(sqlite3_open((folder.path / "bare.db").c_str(), &database) == SQLITE_OK);
  const auto run = [&](const char* sql) {
    LATCHKEY_CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  };
  run("PRAGMA journal_mode = WAL");
  run("PRAGMA synchronous = FULL");
  run("CREATE TABLE row (id INTEGER PRIMARY KEY, value BLOB)");
  run("INSERT INTO row VALUES (1, zeroblob(1500))");
  for (auto _ : state) {
    run("UPDATE row SET value = randomblob(1500) WHERE id = 1");
    run("UPDATE row SET value = randomblob(1500) WHERE id = 1");
  }
  sqlite3_close(database);
}

void interleaved(benchmark::internal::Benchmark* benchmark) {
  benchmark->Repetitions(7)->ReportAggregatesOnly(true)->Unit(benchmark::kMicrosecond);
}
BENCHMARK(bare)->Apply(interleaved);
BENCHMARK(decide)->Apply(interleaved);
// The disk's time counts here, too.
BENCHMARK(bare_store)->Apply(interleaved)->UseRealTime();
BENCHMARK(store)->Apply(interleaved)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  bench::initialize(argc, argv);
  bench::MedianReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  auto& took = reporter.medians;
  if (took["decide"] > 0 && took["store"] > 0 && took["bare"] > 0 && took["bare_store"] > 0) {
    std::printf(
        "\nrenewing: %.0f a second on one core (%.0f with both durable changes on this disk); "
        "%.1f times the bare cryptography, %.1f times plain SQLite\n",
        1e6 / took["decide"], 1e6 / (took["decide"] + took["store"]), took["decide"] / took["bare"],
        took["store"] / took["bare_store"]);
  }
  return 0;
}
