// The way to the agent's store: who keeps its key, whether it may be used, and what a person can do
// where it may not (agent/store_state.h, docs/keys.md). Nothing here makes a new store where there
// is one, or overwrites anything.
//
// On the loop's thread; what blocks is done on the worker's.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "agent/store_state.h"
#include "keys.h"
#include "net/worker.h"
#include "store/agent_store.h"

namespace latchkey::agentd {

struct GateOptions {
  // Who keeps the key of a store that is made; one that is there stays as it is.
  enum class NewStore { kAuto, kKeyring, kPassphrase, kFile };
  std::filesystem::path folder;
  std::filesystem::path witness_folder;
  NewStore new_store = NewStore::kAuto;
  std::filesystem::path passphrase_file;  // empty: none
  // Everything that is stored is looked at before the store is open, and not afterwards.
  bool check_first = false;
};

// A store that may be used, and all that must outlive it.
struct OpenedStore {
  std::shared_ptr<Keys> keys;
  std::unique_ptr<store::KeptSealer> sealer;
  std::unique_ptr<store::FileWitness> witness;
  std::unique_ptr<store::AgentStore> store;
  bool checked = false;  // nothing is left for AgentStore::look_on()
};

class StoreGate {
 public:
  StoreGate(net::Executor executor, net::Worker& worker, GateOptions options);

  // One attempt; the standing says how it went. `prompt`: the desktop may ask the person. Does
  // nothing while another attempt runs, or where only a person's decision helps.
  net::Task<void> open(std::optional<SecretBytes> passphrase, bool prompt);
  // The store is right although it is older than it was, or nobody knows.
  agent::Result<void> accept();
  // Moves the store's file aside and makes a new one; says where the old one is now.
  net::Task<agent::Result<std::string>> start_anew(WallTime now);

  [[nodiscard]] const agent::StoreStanding& standing() const { return standing_; }
  [[nodiscard]] bool is_trying() const { return trying_; }
  // Another agent has the store: there is nothing to wait for.
  [[nodiscard]] bool is_taken() const { return taken_; }
  // Once, when the standing is open.
  OpenedStore take() { return std::move(*held_); }

 private:
  net::Executor executor_;
  net::Worker& worker_;
  GateOptions options_;
  std::shared_ptr<Keys> keys_ = std::make_shared<Keys>();
  agent::StoreStanding standing_;
  std::optional<OpenedStore> held_;  // open, or waiting to be accepted
  bool trying_ = false;
  bool taken_ = false;
};

// How `latchkey keys` calls what a seal's kind says: "file" for file mode.
std::string shown_kind(std::string_view kind);

}  // namespace latchkey::agentd
