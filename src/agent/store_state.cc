#include "agent/store_state.h"

#include <array>
#include <nlohmann/json.hpp>

namespace latchkey::agent {
namespace {

using enum StoreState;
using nlohmann::json;

constexpr const char* kAnew =
    "begin again with `latchkey store start-anew`; the old file is kept beside the new one.";

}  // namespace

std::string_view name_of(StoreState state) {
  switch (state) {
    case kOpen:
      return "open";
    case kOpening:
      return "opening";
    case kKeyringLocked:
      return "keyring_locked";
    case kPassphraseNeeded:
      return "passphrase_needed";
    case kKeyringMissing:
      return "keyring_missing";
    case kKeyGone:
      return "key_gone";
    case kRolledBack:
      return "rolled_back";
    case kWitnessMissing:
      return "witness_missing";
    case kWitnessUnwritable:
      return "witness_unwritable";
    case kDamaged:
      return "damaged";
    case kTooNew:
      return "too_new";
    case kUnreadable:
      break;
  }
  return "unreadable";
}

std::string words_for(const StoreStanding& standing) {
  switch (standing.state) {
    case kOpen:
      return "Latchkey is unlocked.";
    case kOpening:
      return "Latchkey is starting.";
    case kKeyringLocked:
      return "Latchkey is locked, because your desktop's keyring is.";
    case kPassphraseNeeded:
      return standing.fresh ? "Latchkey waits for a passphrase of your choice."
                            : "Latchkey is locked. It waits for your passphrase.";
    case kKeyringMissing:
      return "Latchkey is locked. The keyring that keeps its key does not answer.";
    case kKeyGone:
      return "Latchkey is locked. Its key is not in your keyring any more.";
    case kRolledBack:
      return "What Latchkey remembers is an old copy: things you removed since then could work "
             "again. Nothing is used until you decide.";
    case kWitnessMissing:
      return "Latchkey cannot tell whether what it remembers is an old copy. Nothing is used until "
             "you decide.";
    case kWitnessUnwritable:
      return "Latchkey cannot note down how new its memory is, so that an old copy would go "
             "unnoticed. Nothing is used until it can.";
    case kDamaged:
      return "What Latchkey remembers is damaged. Nothing of it is used.";
    case kTooNew:
      return "What Latchkey remembers was written by a newer version of it.";
    case kUnreadable:
      break;
  }
  return "Latchkey cannot read what it remembers.";
}

std::string fix_for(const StoreStanding& standing) {
  switch (standing.state) {
    case kOpen:
    case kOpening:
      return {};
    case kKeyringLocked:
      return "Run `latchkey keys unlock`, and give the keyring's password where your desktop asks "
             "for it.";
    case kPassphraseNeeded:
      return "Run `latchkey keys unlock`.";
    case kKeyringMissing:
      return "Log in to your desktop, then run `latchkey keys unlock`.";
    case kKeyGone:
      return std::string(
                 "Restore the keyring from a backup and run `latchkey keys unlock`. If it "
                 "is gone for good, ") +
             kAnew;
    case kRolledBack:
    case kWitnessMissing:
      return std::string(
                 "If you put a backup back yourself, run `latchkey store accept` and look "
                 "through `latchkey grants`. If not, ") +
             kAnew;
    case kWitnessUnwritable:
      return "Make sure that you may write to " + standing.witness_folder +
             " and that the disk is not full, then run `latchkey keys unlock`.";
    case kDamaged:
      return "Put a backup of " + standing.folder +
             " back and run `latchkey keys unlock`. If there is none, " + kAnew;
    case kTooNew:
      return "Install that version again, then run `latchkey keys unlock`.";
    case kUnreadable:
      break;
  }
  return "Make sure that you may read and write " + standing.folder +
         " and that the disk is not full, then run `latchkey keys unlock`.";
}

json standing_json(const StoreStanding& standing) {
  return {{"state", name_of(standing.state)},
          {"sealed", standing.sealed.empty() ? json(nullptr) : json(standing.sealed)},
          {"fresh", standing.fresh},
          {"witness", standing.witness_failed ? "failed" : "ok"},
          {"folder", standing.folder},
          {"message", words_for(standing)},
          {"fix", fix_for(standing)},
          {"detail", standing.detail}};
}

json locked_json(const StoreStanding& standing) {
  return {{"state", name_of(standing.state)},
          {"message", words_for(standing)},
          {"fix", fix_for(standing)}};
}

Error locked_error(const StoreStanding& standing) {
  return {wire::ErrorCode::kLocked, words_for(standing) + " " + fix_for(standing)};
}

bool may_pass_by_itself(StoreState state) {
  return state == kKeyringLocked || state == kKeyringMissing;
}

bool can_accept(StoreState state) {
  return state == kRolledBack || state == kWitnessMissing;
}

bool can_start_anew(StoreState state) {
  return state != kOpen && state != kOpening && state != kUnreadable && state != kWitnessUnwritable;
}

}  // namespace latchkey::agent
