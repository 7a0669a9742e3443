// Whether the agent has its store, and what a person can do where it has not (docs/keys.md). Until
// it has it, it answers hello, store.* and doctor, and nothing else.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "agent/error.h"

namespace latchkey::agent {

enum class StoreState {
  kOpen,
  kOpening,            // being tried right now
  kKeyringLocked,      // the keyring that keeps its key must be unlocked
  kPassphraseNeeded,   // none was given, or a wrong one
  kKeyringMissing,     // the keyring cannot be reached
  kKeyGone,            // the keyring does not have the key any more
  kRolledBack,         // older than the witness has seen it
  kWitnessMissing,     // nobody can say whether it is older
  kWitnessUnwritable,  // the witness could not be told
  kDamaged,            // not what this program wrote
  kTooNew,             // a newer version wrote it, or it is sealed in a way that is not known here
  kUnreadable,         // the disk, or its permissions
};
std::string_view name_of(StoreState state);  // "keyring_locked"

struct StoreStanding {
  StoreState state = StoreState::kOpening;
  std::string sealed;  // "keyring", "passphrase", "file"; empty: not known
  // There is no store yet; a passphrase that is given now becomes its passphrase.
  bool fresh = false;
  bool witness_failed = false;  // open, and yet the last word to the witness was lost
  std::string folder;           // where the store is
  std::string witness_folder;
  std::string detail;  // for whoever is called to help

  [[nodiscard]] bool is_open() const { return state == StoreState::kOpen; }
};

// For a person at home: what is the matter, in a sentence or two, and what to do about it. `fix` is
// empty where nothing needs to be done.
std::string words_for(const StoreStanding& standing);
std::string fix_for(const StoreStanding& standing);

// The result of store.status.
nlohmann::json standing_json(const StoreStanding& standing);
// What `hello` says of it where it is not open: {state, message, fix}.
nlohmann::json locked_json(const StoreStanding& standing);
// The answer to everything else then.
Error locked_error(const StoreStanding& standing);

// Whether asking again, without a person's doing, may end it: the keyring may be there by now.
bool may_pass_by_itself(StoreState state);
// Whether store.accept and store.start_anew have something to do.
bool can_accept(StoreState state);
bool can_start_anew(StoreState state);

}  // namespace latchkey::agent
