#include "store_gate.h"

#include <utility>

#include "base/encoding.h"
#include "store/set_aside.h"

namespace latchkey::agentd {
namespace {

namespace fs = std::filesystem;
using agent::SealWay;
using agent::StoreState;

constexpr const char* kFile = "agent.db";

// What an attempt on the worker's thread came to.
struct Outcome {
  agent::StoreStanding standing;
  std::optional<OpenedStore> opened;
  bool taken = false;
};

struct Attempt {
  std::shared_ptr<Keys> keys;
  GateOptions options;
  std::optional<SecretBytes> passphrase;
  bool prompt = false;
};

bool has_store(const GateOptions& options) {
  std::error_code error;
  const auto status = fs::symlink_status(options.folder / kFile, error);
  return status.type() != fs::file_type::not_found;
}

StoreState state_of(const store::Error& error, std::string_view kind) {
  switch (error.code) {
    case store::ErrorCode::kLocked:
      return kind == kPassphraseKind ? StoreState::kPassphraseNeeded : StoreState::kKeyringLocked;
    case store::ErrorCode::kKeyGone:
      return StoreState::kKeyGone;
    case store::ErrorCode::kNoKeeper:
      return StoreState::kKeyringMissing;
    case store::ErrorCode::kCorrupt:
      return StoreState::kDamaged;
    case store::ErrorCode::kTooNew:
    case store::ErrorCode::kConflict:  // sealed in a way that is not known here
      return StoreState::kTooNew;
    case store::ErrorCode::kIo:
    case store::ErrorCode::kBusy:
    case store::ErrorCode::kNoRoom:
    case store::ErrorCode::kNotFound:
      break;
  }
  return StoreState::kUnreadable;
}

SealWay way_of_new(const Attempt& attempt, bool has_passphrase) {
  switch (attempt.options.new_store) {
    case GateOptions::NewStore::kKeyring:
      return SealWay::kKeyring;
    case GateOptions::NewStore::kPassphrase:
      return SealWay::kPassphrase;
    case GateOptions::NewStore::kFile:
      return SealWay::kFile;
    case GateOptions::NewStore::kAuto:
      break;
  }
  return has_passphrase                  ? SealWay::kPassphrase
         : attempt.keys->keyring_ready() ? SealWay::kKeyring
                                         : SealWay::kFile;
}

// Judges a store that opened.
void stand(Outcome& outcome, const GateOptions& options) {
  OpenedStore& opened = *outcome.opened;
  opened.witness =
      std::make_unique<store::FileWitness>(options.witness_folder / hex_encode(opened.store->id()));
  outcome.standing.sealed = shown_kind(opened.store->sealed().kind);
  switch (opened.store->watch(*opened.witness)) {
    case store::Standing::kCurrent:
      outcome.standing.state = StoreState::kOpen;
      break;
    case store::Standing::kRolledBack:
      outcome.standing.state = StoreState::kRolledBack;
      return;
    case store::Standing::kUnknown:
      outcome.standing.state = StoreState::kWitnessMissing;
      return;
  }
  if (opened.store->witness_failed()) {
    // Used now, it could not be told from an old copy the next time.
    outcome.standing.state = StoreState::kWitnessUnwritable;
    outcome.opened.reset();
  }
}

store::Result<store::AgentStore> open_store(const GateOptions& options, store::KeptSealer& sealer,
                                            Keys& keys) {
  if (options.check_first) {
    return store::AgentStore::open(options.folder, sealer, keys.random());
  }
  auto store = store::AgentStore::open_quickly(options.folder, sealer, keys.random());
  // What everything hangs from is not left for later.
  if (auto user = store ? store->user() : store::Result<std::optional<store::User>>(); !user) {
    return fail(std::move(user).error());
  }
  return store;
}

// Where the keyring changed its mind between being asked and being given a key, a new store is
// made without it; one that is there is never opened in another way than its own.
store::Result<store::AgentStore> open_or_make(const Attempt& attempt, bool fresh, SealWay way,
                                              std::unique_ptr<store::KeptSealer>& sealer) {
  sealer = attempt.keys->sealer(way);
  auto store = open_store(attempt.options, *sealer, *attempt.keys);
  const bool refused = !store && (store.error().code == store::ErrorCode::kLocked ||
                                  store.error().code == store::ErrorCode::kNoKeeper);
  if (refused && fresh && way == SealWay::kKeyring && !has_store(attempt.options) &&
      attempt.options.new_store == GateOptions::NewStore::kAuto) {
    sealer = attempt.keys->sealer(SealWay::kFile);
    return open_store(attempt.options, *sealer, *attempt.keys);
  }
  return store;
}

Outcome try_to_open(Attempt attempt) {
  Outcome outcome;
  outcome.standing.folder = attempt.options.folder.string();
  outcome.standing.witness_folder = attempt.options.witness_folder.string();
  const bool fresh = !has_store(attempt.options);
  std::string trouble;  // with the passphrase's file
  if (!attempt.passphrase && !attempt.options.passphrase_file.empty()) {
    if (auto read = read_passphrase(attempt.options.passphrase_file)) {
      attempt.passphrase = *std::move(read);
    } else {
      trouble = read.error().detail;
    }
  }
  const bool has_passphrase = attempt.passphrase.has_value() || !trouble.empty();
  if (attempt.passphrase) {
    attempt.keys->give(*std::move(attempt.passphrase));
  }
  if (attempt.prompt) {
    attempt.keys->unlock_keyring();
  }
  const SealWay way = fresh ? way_of_new(attempt, has_passphrase) : SealWay::kFile;
  OpenedStore opened{attempt.keys, nullptr, nullptr, nullptr, attempt.options.check_first};
  auto store = open_or_make(attempt, fresh, way, opened.sealer);
  attempt.keys->forget_passphrase();
  if (!store) {
    const std::string kind =
        fresh ? std::string(way == SealWay::kPassphrase ? kPassphraseKind : kKeyringKind)
              : opened.sealer->met();
    outcome.taken = store.error().code == store::ErrorCode::kBusy;
    outcome.standing.state = state_of(store.error(), kind);
    outcome.standing.sealed = fresh ? std::string() : shown_kind(kind);
    outcome.standing.fresh = fresh;
    outcome.standing.detail = trouble.empty() ? store.error().detail : trouble;
    return outcome;
  }
  opened.store = std::make_unique<store::AgentStore>(*std::move(store));
  outcome.opened = std::move(opened);
  stand(outcome, attempt.options);
  return outcome;
}

}  // namespace

std::string shown_kind(std::string_view kind) {
  return std::string(kind == store::kFileMode ? "file" : kind);
}

StoreGate::StoreGate(net::Executor executor, net::Worker& worker, GateOptions options)
    : executor_(std::move(executor)), worker_(worker), options_(std::move(options)) {
  standing_.folder = options_.folder.string();
  standing_.witness_folder = options_.witness_folder.string();
}

net::Task<void> StoreGate::open(std::optional<SecretBytes> passphrase, bool prompt) {
  if (trying_ || held_) {
    co_return;
  }
  trying_ = true;
  Attempt attempt{keys_, options_, std::move(passphrase), prompt};
  auto work = [attempt = std::move(attempt)]() mutable { return try_to_open(std::move(attempt)); };
  auto outcome = co_await worker_.run(executor_, net::kNoDeadline, std::move(work));
  trying_ = false;
  if (outcome) {
    standing_ = std::move(outcome->standing);
    held_ = std::move(outcome->opened);
    taken_ = outcome->taken;
  }
}

agent::Result<void> StoreGate::accept() {
  if (trying_ || !held_ || !agent::can_accept(standing_.state)) {
    return fail(agent::Error{wire::ErrorCode::kNotAllowed, "There is nothing to accept."});
  }
  if (const auto done = held_->store->accept(*held_->witness); !done) {
    standing_.state = StoreState::kWitnessUnwritable;
    standing_.detail = done.error().detail;
    held_.reset();
    return fail(agent::locked_error(standing_));
  }
  standing_.state = StoreState::kOpen;
  return {};
}

net::Task<agent::Result<std::string>> StoreGate::start_anew(WallTime now) {
  if (trying_ || !agent::can_start_anew(standing_.state)) {
    co_return fail(agent::Error{wire::ErrorCode::kNotAllowed,
                                "There is no reason to begin again. " + agent::fix_for(standing_)});
  }
  trying_ = true;
  held_.reset();
  auto move_aside = [folder = options_.folder, now] {
    return store::set_aside(folder, kFile, now);
  };
  const auto moved = co_await worker_.run(executor_, net::kNoDeadline, std::move(move_aside));
  trying_ = false;
  if (!moved || !*moved) {
    standing_.state = StoreState::kUnreadable;
    standing_.detail = moved ? moved->error().detail : "";
    co_return fail(agent::locked_error(standing_));
  }
  const std::string old = (*moved)->string();
  co_await open(std::nullopt, false);
  co_return old;
}

}  // namespace latchkey::agentd
