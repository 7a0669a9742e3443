#include "keys_check.h"

#include <nlohmann/json.hpp>

namespace latchkey::agentd {
namespace {

using agent::StoreState;
using platform::Check;
using platform::Level;

// Whether it is the keys that are in the way, and not what was found with them.
bool is_about_keys(StoreState state) {
  return state == StoreState::kKeyringLocked || state == StoreState::kPassphraseNeeded ||
         state == StoreState::kKeyringMissing || state == StoreState::kKeyGone;
}

Check keys_check(const agent::StoreStanding& standing) {
  if (is_about_keys(standing.state)) {
    return {"keys", Level::kFail, agent::words_for(standing), standing.detail,
            agent::fix_for(standing)};
  }
  if (standing.sealed == "file") {
    return {"keys", Level::kWarn,
            "Your keys lie in a file that only you can read, and without a lock of their own.",
            standing.folder +
                "/agent.db is protected by file permissions (0600 in a 0700 folder) alone: "
                "whoever reads the disk, of a stolen computer or of a backup, has the keys.",
            "Lock them with your desktop's keyring, `latchkey keys seal --keyring`, or with a "
            "passphrase, `latchkey keys seal --passphrase`."};
  }
  if (standing.sealed.empty()) {
    return {"keys", Level::kOk, "Nothing is known yet about how your keys are locked.",
            standing.detail, ""};
  }
  return {"keys", Level::kOk,
          standing.sealed == "keyring" ? "Your keys are locked by your desktop's keyring."
                                       : "Your keys are locked by your passphrase.",
          standing.folder + "/agent.db, AES-256-GCM", ""};
}

Check store_check(const agent::StoreStanding& standing) {
  if (!standing.is_open()) {
    return {"store", Level::kFail, agent::words_for(standing), standing.detail,
            agent::fix_for(standing)};
  }
  if (standing.witness_failed) {
    agent::StoreStanding unwritable = standing;
    unwritable.state = StoreState::kWitnessUnwritable;
    return {"store", Level::kFail,
            "Latchkey could not note down how new its memory is. While that stays so, it will not "
            "open again after a restart.",
            standing.witness_folder, agent::fix_for(unwritable)};
  }
  return {"store", Level::kOk, "What Latchkey remembers is whole and up to date.", standing.folder,
          ""};
}

}  // namespace

void add_keys_checks(std::vector<Check>& checks, const agent::StoreStanding& standing) {
  checks.push_back(keys_check(standing));
  // Nobody knows what is behind the lock.
  if (!is_about_keys(standing.state)) {
    checks.push_back(store_check(standing));
  }
}

nlohmann::json check_json(const Check& check) {
  return {{"id", check.id},
          {"level", platform::level_text(check.level)},
          {"title", check.title},
          {"detail", check.detail},
          {"fix", check.fix}};
}

}  // namespace latchkey::agentd
