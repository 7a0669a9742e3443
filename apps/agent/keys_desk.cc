#include "keys_desk.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "keys.h"
#include "store_records.h"

namespace latchkey::agentd {
namespace {

using agent::SealWay;
using nlohmann::json;
using wire::ErrorCode;

// What the worker's thread does of it: asking what keeps the key now, and what shall keep it.
struct Work {
  std::shared_ptr<Keys> keys;
  agent::StoreSeal wish;
  store::Seal now;
};
struct Made {
  std::unique_ptr<store::KeptSealer> sealer;
  std::optional<agent::Error> error;
};

agent::Error not_made(SealWay way, const store::Error& error) {
  if (way == SealWay::kPassphrase) {
    return {ErrorCode::kMalformed, "A passphrase needs at least 8 characters, and at most 1024."};
  }
  if (error.code == store::ErrorCode::kLocked) {
    return {ErrorCode::kLocked,
            "Your desktop's keyring is locked. Unlock it and try again. Nothing was changed."};
  }
  return {ErrorCode::kUnreachable,
          "There is no keyring that could keep the key. Nothing was changed."};
}

Made make(Work work) {
  if (work.now.kind == kPassphraseKind) {
    if (!work.wish.current) {
      return {nullptr, agent::Error{ErrorCode::kWrongCode, "The current passphrase is needed."}};
    }
    work.keys->give(*std::move(work.wish.current));
    if (const auto tried = work.keys->try_passphrase(work.now); !tried) {
      return {nullptr, agent::Error{ErrorCode::kWrongCode,
                                    "That is not the passphrase. Nothing was changed."}};
    }
  }
  if (work.wish.passphrase) {
    work.keys->give(*std::move(work.wish.passphrase));
  }
  auto sealer = work.keys->sealer(work.wish.way);
  const auto prepared = sealer->prepare();
  work.keys->forget_passphrase();
  if (!prepared) {
    return {nullptr, not_made(work.wish.way, prepared.error())};
  }
  return {std::move(sealer), std::nullopt};
}

}  // namespace

KeysDesk::KeysDesk(net::Executor executor, const Clock& clock, net::Worker& worker,
                   StoreRecords& records, agent::StoreStanding opened)
    : executor_(std::move(executor)),
      clock_(clock),
      worker_(worker),
      records_(records),
      opened_(std::move(opened)) {}

agent::StoreStanding KeysDesk::standing() const {
  agent::StoreStanding now = opened_;
  now.sealed = shown_kind(records_.sealed().kind);
  now.witness_failed = records_.witness_failed();
  return now;
}

KeysDesk::Reply KeysDesk::status() const {
  return agent::standing_json(standing());
}

KeysDesk::Reply KeysDesk::nothing_to_do() {
  return fail(agent::Error{ErrorCode::kNotAllowed,
                           "What Latchkey remembers is in order. To end what you allowed, run "
                           "`latchkey revoke --all`."});
}

net::Task<KeysDesk::Reply> KeysDesk::seal(agent::StoreSeal seal) {
  if (sealing_ || !tries_.take(clock_.mono_now())) {
    co_return fail(
        agent::Error{ErrorCode::kLocked, "That was a lot at once. Wait a moment and try again."});
  }
  sealing_ = true;
  // Also where the connection ends meanwhile and this is cancelled.
  const std::shared_ptr<void> done(nullptr, [this](void*) { sealing_ = false; });
  co_return co_await seal_alone(std::move(seal));
}

net::Task<KeysDesk::Reply> KeysDesk::seal_alone(agent::StoreSeal seal) {
  const store::Seal before = records_.sealed();
  const std::shared_ptr<Keys> keys = records_.keys();
  Work work{keys, std::move(seal), before};
  auto make_it = [work = std::move(work)]() mutable { return make(std::move(work)); };
  auto made = co_await worker_.run(executor_, net::kNoDeadline, std::move(make_it));
  if (!made || made->error) {
    co_return fail(made ? *made->error : agent::error(ErrorCode::kInternal));
  }
  const auto sealed = records_.reseal(std::move(made->sealer));
  if (!sealed) {
    spdlog::error("store: {}", sealed.error().detail);
    if (records_.sealed().kind == before.kind && records_.sealed().key == before.key) {
      co_return fail(agent::error(ErrorCode::kInternal));
    }
  }
  spdlog::info("the store is sealed by {} now", records_.sealed().kind);
  // Copies of the old file do not open any more, even for this user.
  auto drop = [keys, before] {
    keys->forget(before);
    return true;
  };
  (void)co_await worker_.run(executor_, net::kNoDeadline, std::move(drop));
  co_return status();
}

}  // namespace latchkey::agentd
