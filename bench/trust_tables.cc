// What trust metadata costs as it grows: size, publishing after one change, a day's delta,
// verifying and loading in the agent, look-ups; beside look-ups of the same records in SQLite. Then
// the whole at the size that the project promises: 1,000,000 web services, 10,000 models, 5,000,000
// revoked keys.
//
//   bench_trust_tables [--benchmark_out=FILE.json]     BENCH_LONG=1: also 10^7 web services
#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "attest/trust.h"
#include "crypto/hash.h"
#include "support/trust_maker.h"

namespace {

using namespace latchkey;  // NOLINT(google-build-using-namespace)
using attest::Change;
using attest::Table;
using attest::TableKind;
using nlohmann::json;

constexpr WallTime kNow{1'790'000'000};
using Timer = std::chrono::steady_clock;

double ms_since(Timer::time_point start) {
  return std::chrono::duration<double, std::milli>(Timer::now() - start).count();
}

class FileSink final : public attest::Sink {
 public:
  explicit FileSink(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600)) {
    LATCHKEY_CHECK(fd_ >= 0);
  }
  ~FileSink() override { ::close(fd_); }
  bool write(ByteSpan bytes) override {
    return ::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  }
  void sync() const { LATCHKEY_CHECK(::fsync(fd_) == 0); }

 private:
  int fd_;
};

// A file as the agent holds it.
attest::Snapshot::Held map_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info{};
  LATCHKEY_CHECK(fd >= 0 && ::fstat(fd, &info) == 0);
  const auto size = static_cast<std::size_t>(info.st_size);
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  LATCHKEY_CHECK(at != MAP_FAILED);
  return {{static_cast<const std::uint8_t*>(at), size},
          std::shared_ptr<const void>(
              at, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); })};
}

// Records with keys of hashes, in order, with names of ordinary length.
std::vector<Change> make_records(TableKind kind, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto shape = attest::shape_of(kind);
  std::vector<Change> records(count);
  for (Change& record : records) {
    record.key.resize(shape.key_size);
    for (std::uint8_t& byte : record.key) {
      byte = static_cast<std::uint8_t>(random());
    }
    if (kind == TableKind::kModels) {
      record.status = 3;
      record.blob = attest::encode_model(
          {"Example Works", "Media Cache 2000 Plus", "media-cache", {Digest256{record.key[0]}}});
    } else if (kind == TableKind::kOrigins) {
      record.status = static_cast<std::uint8_t>(1 + random() % 3);
      record.blob = to_bytes(as_bytes("Example Video Home"));
      record.blob.resize(8 + random() % 16, 'x');
    }
  }
  std::sort(records.begin(), records.end(),
            [](const Change& a, const Change& b) { return a.key < b.key; });
  return records;
}

attest::Written write_file(const std::filesystem::path& path, const Table& base,
                           std::span<const Change> changes) {
  FileSink sink(path);
  const auto written = attest::write_table(base, changes, sink);
  LATCHKEY_CHECK(written.has_value());
  sink.sync();
  return *written;
}

std::vector<Bytes> some_keys(const Table& table, std::size_t count) {
  std::mt19937_64 random(3);
  std::vector<Bytes> keys;
  keys.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    keys.push_back(to_bytes(table.at(random() % table.count()).key));
  }
  return keys;
}

double lookup_ns(const Table& table, const std::vector<Bytes>& keys) {
  std::size_t found = 0;
  const auto start = Timer::now();
  for (const Bytes& key : keys) {
    found += table.find(key).has_value() ? 1U : 0U;
  }
  const double ns = ms_since(start) * 1e6 / static_cast<double>(keys.size());
  LATCHKEY_CHECK(found == keys.size());
  return ns;
}

// The peer: the same records and the same question in an SQLite file.
struct SqliteFigures {
  double lookup_ns = 0;
  std::uint64_t size = 0;
};
SqliteFigures in_sqlite(const std::filesystem::path& path, const Table& table,
                        const std::vector<Bytes>& keys) {
  std::filesystem::remove(path);
  SQLite::Database db(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  db.exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA mmap_size=4294967296");
  db.exec("CREATE TABLE t (k BLOB PRIMARY KEY, s INTEGER, n TEXT) STRICT, WITHOUT ROWID");
  db.exec("BEGIN");
  SQLite::Statement insert(db, "INSERT INTO t VALUES (?, ?, ?)");
  for (std::uint64_t i = 0; i < table.count(); ++i) {
    const attest::Record record = table.at(i);
    insert.bind(1, record.key.data(), static_cast<int>(record.key.size()));
    insert.bind(2, record.status);
    insert.bind(3, std::string(as_text(record.blob)));
    insert.exec();
    insert.reset();
  }
  db.exec("COMMIT");
  SQLite::Statement find(db, "SELECT s, n FROM t WHERE k = ?");
  std::size_t found = 0;
  const auto start = Timer::now();
  for (const Bytes& key : keys) {
    find.bindNoCopy(1, key.data(), static_cast<int>(key.size()));
    found += find.executeStep() ? 1U : 0U;
    find.reset();
  }
  const double ns = ms_since(start) * 1e6 / static_cast<double>(keys.size());
  LATCHKEY_CHECK(found == keys.size());
  return {ns, std::filesystem::file_size(path)};
}

json measure_size(const std::filesystem::path& folder, std::size_t count) {
  const auto path = folder / "origins.lkt";
  {
    const auto records = make_records(TableKind::kOrigins, count, 1);
    write_file(path, Table::empty(TableKind::kOrigins), records);
  }
  const auto held = map_file(path);
  const auto table = *Table::open(held.bytes, TableKind::kOrigins);

  const auto one = make_records(TableKind::kOrigins, 1, 2);
  auto start = Timer::now();
  const auto written = write_file(folder / "next.lkt", table, one);
  const double publish_ms = ms_since(start);

  const auto thousand = make_records(TableKind::kOrigins, 1000, 5);
  const auto delta = attest::encode_delta({TableKind::kOrigins, {}, {}, thousand});

  start = Timer::now();
  const Digest256 hash = crypto::sha256(held.bytes);
  LATCHKEY_CHECK(Table::open(held.bytes, TableKind::kOrigins).has_value() && hash[0] == hash[0]);
  const double verify_ms = ms_since(start);

  const auto keys = some_keys(table, 200000);
  const double ns = lookup_ns(table, keys);
  const SqliteFigures sqlite = in_sqlite(folder / "peer.db", table, keys);
  const double mib = static_cast<double>(held.bytes.size()) / 1048576.0;
  std::printf("%10zu %10.2f %12.1f %12.1f %12.2f %12.0f %12.0f %8.2f\n", count, mib, publish_ms,
              static_cast<double>(delta.size()) / 1024.0, verify_ms, ns, sqlite.lookup_ns,
              ns / sqlite.lookup_ns);
  std::fflush(stdout);
  return {{"origins", count},
          {"size", held.bytes.size()},
          {"publish_one_change_ms", publish_ms},
          {"delta_of_1000_bytes", delta.size()},
          {"verify_and_load_ms", verify_ms},
          {"lookup_ns", ns},
          {"sqlite_lookup_ns", sqlite.lookup_ns},
          {"sqlite_size", sqlite.size},
          {"lookup_ratio", ns / sqlite.lookup_ns},
          {"written", written.count}};
}

long anonymous_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) {
      return std::strtol(line.c_str() + 8, nullptr, 10);
    }
  }
  return -1;
}

// In a process of its own, as the agent does it when it starts.
json load_in_child(const std::filesystem::path& folder, const Bytes& root) {
  int channel[2];
  LATCHKEY_CHECK(::pipe(channel) == 0);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto read_text = [&](const std::string& name) {
      std::ifstream file(folder / name, std::ios::binary);
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    const std::vector<Bytes> anchors = {root};
    // OpenSSL's own first use is the agent's already, from issuing.
    static_cast<void>(attest::verify_metadata(read_text("metadata.jws"), anchors, kNow));
    const long before = anonymous_kib();
    const auto start = Timer::now();
    auto read = attest::verify_metadata(read_text("metadata.jws"), anchors, kNow);
    LATCHKEY_CHECK(read.has_value());
    std::array<attest::Snapshot::Held, attest::kTableKinds> held;
    for (std::size_t i = 0; i < attest::kTableKinds; ++i) {
      const auto& named = read->metadata.table(static_cast<TableKind>(i + 1));
      held.at(i) = map_file(folder / named.file);
      LATCHKEY_CHECK(attest::is_named(named, held.at(i).bytes));
    }
    const auto snapshot = attest::Snapshot::make(std::move(read->metadata), std::move(held));
    LATCHKEY_CHECK(snapshot.has_value());
    const double ms = ms_since(start);
    json out = {{"verify_and_load_ms", ms}, {"private_kib", anonymous_kib() - before}};
    const auto keys = some_keys((*snapshot)->table(TableKind::kDevices), 200000);
    out["device_lookup_ns"] = lookup_ns((*snapshot)->table(TableKind::kDevices), keys);
    const attest::Trust trust({{"p", *snapshot, {}}}, {});
    std::vector<Origin> origins;
    for (int i = 0; i < 50000; ++i) {
      origins.push_back(*Origin::parse("https://site" + std::to_string(i) + ".example"));
    }
    const auto begin = Timer::now();
    std::size_t known = 0;
    for (const Origin& origin : origins) {
      known += trust.origin(origin).state == attest::OriginState::kKnown ? 1U : 0U;
    }
    out["origin_judgement_ns"] = ms_since(begin) * 1e6 / 50000.0;
    out["known"] = known;
    const std::string text = out.dump();
    LATCHKEY_CHECK(::write(channel[1], text.data(), text.size()) ==
                   static_cast<ssize_t>(text.size()));
    ::_exit(0);
  }
  ::close(channel[1]);
  std::string text(4096, '\0');
  const ssize_t length = ::read(channel[0], text.data(), text.size());
  ::close(channel[0]);
  int status = 0;
  LATCHKEY_CHECK(::waitpid(child, &status, 0) == child && status == 0 && length > 0);
  text.resize(static_cast<std::size_t>(length));
  return json::parse(text);
}

json measure_promise(const std::filesystem::path& folder) {
  testing::Provider provider(kNow);
  provider.metadata.no = 7;
  provider.metadata.name = "Example provider";
  provider.metadata.published = kNow;
  provider.metadata.next_update = *attest::parse_date("2026-10-01");
  std::uint64_t bytes = 0;
  const std::array<std::size_t, attest::kTableKinds> counts = {10'000, 500, 1'000'000, 5'000'000};
  double publish_ms = 0;
  for (std::size_t i = 0; i < attest::kTableKinds; ++i) {
    const auto kind = static_cast<TableKind>(i + 1);
    const std::string name = std::string(attest::name_of(kind)) + ".lkt";
    const auto made =
        write_file(folder / name, Table::empty(kind), make_records(kind, counts.at(i), 10 + i));
    provider.metadata.table(kind) = {name, made.sha256, made.size, made.count, {}};
    bytes += made.size;
    if (kind == TableKind::kOrigins || kind == TableKind::kDevices) {
      // One change in each of the two large ones: the most that a single publication rewrites.
      const auto held = map_file(folder / name);
      const auto start = Timer::now();
      write_file(folder / "next.lkt", *Table::open(held.bytes, kind), make_records(kind, 1, 99));
      publish_ms += ms_since(start);
    }
  }
  std::ofstream(folder / "metadata.jws") << provider.sign();
  json figures = load_in_child(folder, provider.root);
  figures["tables_bytes"] = bytes;
  figures["write_both_large_tables_ms"] = publish_ms;
  std::printf(
      "\n1,000,000 web services, 10,000 models, 5,000,000 revoked keys: %.1f MiB\n"
      "  verify and load          %8.1f ms   (promised: under 150)\n"
      "  private memory           %8ld KiB  (promised: under 8192)\n"
      "  look-up of a key         %8.0f ns   (promised: under 2000)\n"
      "  judging a web service    %8.0f ns   (hash, look-up, name; promised: under 2000)\n"
      "  rewriting both large tables after a change %.0f ms (of the 2000 promised for "
      "publishing)\n",
      static_cast<double>(bytes) / 1048576.0, figures["verify_and_load_ms"].get<double>(),
      figures["private_kib"].get<long>(), figures["device_lookup_ns"].get<double>(),
      figures["origin_judgement_ns"].get<double>(), publish_ms);
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  std::string out_path;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("--benchmark_out=")) {
      out_path = argument.substr(16);
    }
  }
  std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-bench-XXXXXX").string();
  LATCHKEY_CHECK(::mkdtemp(pattern.data()) != nullptr);
  const std::filesystem::path folder = pattern;
  json results = {{"sizes", json::array()}};
  std::printf("%10s %10s %12s %12s %12s %12s %12s %8s\n", "origins", "MiB", "publish ms",
              "delta KiB", "load ms", "look-up ns", "SQLite ns", "ratio");
  std::vector<std::size_t> sizes = {1000, 10'000, 100'000, 1'000'000};
  if (std::getenv("BENCH_LONG") != nullptr) {
    sizes.push_back(10'000'000);
  }
  for (const std::size_t size : sizes) {
    results["sizes"].push_back(measure_size(folder, size));
  }
  results["promise"] = measure_promise(folder);
  std::filesystem::remove_all(folder);
  if (!out_path.empty()) {
    std::ofstream(out_path) << results.dump(1) << "\n";
  }
  return 0;
}
