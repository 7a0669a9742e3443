// One provider's files on disk, and how they get there. Blocking: for a worker thread, and for the
// start. Nothing is used before it was checked: signature, hash, order.
//
//   metadata.jws            the newest whole version, written after its tables
//   newest.jws              a newer page that was accepted and whose tables have not all arrived
//   models-<hash>.lkt ...   the tables that metadata.jws names
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attest/trust.h"
#include "base/clock.h"

namespace latchkey::agentd {

struct ProviderOptions {
  std::string name;
  std::string url;  // https, ends with a slash
  std::vector<Bytes> anchors;
};
// "0123456789abcdef", of the URL: where its files are.
std::string provider_id(const std::string& url);

// What the agent remembers of a provider beside its files; in the store, which is durable.
struct ProviderMemory {
  attest::Floor floor;     // of the newest page that was accepted
  std::uint64_t held = 0;  // the newest whole version: an older folder was rolled back
  std::string etag;        // of `held`
  WallTime checked;        // when it last answered as it should
};
std::string memory_text(const ProviderMemory& memory);
ProviderMemory memory_from(const std::string& text);  // empty where it cannot be read
// The setting that holds it.
std::string memory_name(const std::string& url);
bool is_memory_name(const std::string& setting);
// After an import: what was accepted here or there stays accepted, and nothing older ever is; the
// files are those of this computer.
std::string merged_memory(const std::string& here, const std::string& there);

class MetadataFolder {
 public:
  using Failure = std::string;  // a sentence for the log and for `latchkey providers`
  template <class T>
  using Result = latchkey::Result<T, Failure>;

  MetadataFolder(std::filesystem::path folder, ProviderOptions provider, std::string ca_file)
      : folder_(std::move(folder)), provider_(std::move(provider)), ca_file_(std::move(ca_file)) {}

  // What lies there, checked anew. Null: nothing usable; then all is fetched again.
  struct Loaded {
    std::shared_ptr<const attest::Snapshot> snapshot;
    std::vector<attest::ModelChange> urgent;
  };
  [[nodiscard]] Loaded load(const ProviderMemory& memory, WallTime now) const;

  // Asks for the page. Nothing: what is held is the newest.
  struct Page {
    std::string jws;
    std::string etag;
    attest::Metadata metadata;
    attest::Floor floor;  // to be remembered before the page is used
  };
  Result<std::optional<Page>> fetch_page(const ProviderMemory& memory, const attest::Snapshot* held,
                                         WallTime now, const std::atomic<bool>* cancel) const;
  // Notes the page down as accepted, before its tables are there.
  Result<void> keep_page(const Page& page) const;
  // Brings the tables that are not there yet, by deltas where they fit, and makes the page the
  // whole version.
  Result<std::shared_ptr<const attest::Snapshot>> fetch_tables(
      const Page& page, const attest::Snapshot* held, const std::atomic<bool>* cancel) const;
  // Removes what no version needs any more.
  void tidy(const attest::Snapshot& held) const;

 private:
  [[nodiscard]] std::filesystem::path table_path(attest::TableKind kind,
                                                 const Digest256& hash) const;
  [[nodiscard]] Result<attest::Snapshot::Held> fetch_table(attest::TableKind kind,
                                                           const attest::TableFile& named,
                                                           const attest::Snapshot* held,
                                                           const std::atomic<bool>* cancel) const;
  [[nodiscard]] bool by_delta(attest::TableKind kind, const attest::TableFile& named,
                              const attest::Snapshot* held, const std::filesystem::path& into,
                              const std::atomic<bool>* cancel) const;
  [[nodiscard]] Result<void> whole(const attest::TableFile& named,
                                   const std::filesystem::path& into,
                                   const std::atomic<bool>* cancel) const;
  std::filesystem::path folder_;
  ProviderOptions provider_;
  std::string ca_file_;
};

}  // namespace latchkey::agentd
