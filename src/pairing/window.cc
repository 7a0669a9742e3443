#include "pairing/window.h"

#include <algorithm>
#include <utility>

namespace latchkey::pairing {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstWait = std::chrono::seconds(30);
constexpr milliseconds kLongestWait = std::chrono::minutes(5);
// The wait is at its longest by then: counting on would only overflow.
constexpr std::uint32_t kMaxCounted = 16;

milliseconds wait_after(std::uint32_t exhausted) {
  if (exhausted == 0) {
    return milliseconds(0);
  }
  const std::uint32_t doublings = std::min<std::uint32_t>(exhausted - 1, kMaxCounted);
  return std::min(kLongestWait, kFirstWait * (std::int64_t{1} << doublings));
}

}  // namespace

PairingWindow::PairingWindow(WindowLedger& ledger, MonoTime now)
    : ledger_(ledger), record_(ledger.load()) {
  if (record_.open) {
    // A window that was cut off with no attempt left is an exhausted one.
    end_window(record_.attempts_left == 0, now);
  }
  may_open_ = now + wait_after(record_.exhausted);
}

wire::Result<void> PairingWindow::open(Secret secret, milliseconds length, MonoTime now) {
  if (is_open(now) && record_.attempts_left == 0) {
    end_window(true, now);
  }
  if (wait_left(now) > milliseconds(0)) {
    return fail(wire::Error{wire::ErrorCode::kLocked, "too many wrong codes: wait a little"});
  }
  WindowRecord next = record_;
  ++next.generation;
  // A new code does not bring attempts back: opening again and again would be free guesses.
  next.attempts_left = is_open(now) ? record_.attempts_left : kAttempts;
  next.open = true;
  if (!ledger_.save(next)) {
    return fail(wire::Error{wire::ErrorCode::kInternal, "the window could not be stored"});
  }
  record_ = next;
  secret_ = std::move(secret);
  ends_ = now + std::min(length, kMaxWindow);
  pending_until_.reset();
  return {};
}

void PairingWindow::close(MonoTime now) {
  if (record_.open) {
    end_window(record_.attempts_left == 0, now);
  }
}

void PairingWindow::end_window(bool exhausted, MonoTime now) {
  WindowRecord next = record_;
  next.open = false;
  // A new generation: what was begun under this window cannot be finished.
  ++next.generation;
  if (exhausted) {
    next.exhausted = std::min(next.exhausted + 1, kMaxCounted);
    may_open_ = now + wait_after(next.exhausted);
  }
  // If this cannot be stored the record on disk still says "open", which a restart closes.
  static_cast<void>(ledger_.save(next));
  record_ = next;
  secret_.reset();
  ends_.reset();
  pending_until_.reset();
}

bool PairingWindow::is_open(MonoTime now) const {
  return record_.open && ends_ && now < *ends_ && secret_.has_value();
}

milliseconds PairingWindow::wait_left(MonoTime now) const {
  return std::max(milliseconds(0), may_open_ - now);
}

const PairingWindow::Secret* PairingWindow::secret(MonoTime now) const {
  return is_open(now) ? &*secret_ : nullptr;
}

wire::Result<void> PairingWindow::spend(std::uint64_t generation, MonoTime now) {
  if (!is_open(now) || generation != record_.generation) {
    return fail(wire::Error{wire::ErrorCode::kWindowClosed, "the pairing window has closed"});
  }
  if (pending_until_ && now < *pending_until_) {
    return fail(wire::Error{wire::ErrorCode::kLocked, "somebody else is trying a code"});
  }
  if (secret_->kind == wire::CodeKind::kDigits8) {
    if (record_.attempts_left == 0) {
      return fail(wire::Error{wire::ErrorCode::kWindowClosed, "no attempt is left"});
    }
    WindowRecord next = record_;
    --next.attempts_left;
    if (!ledger_.save(next)) {
      return fail(wire::Error{wire::ErrorCode::kInternal, "the attempt could not be stored"});
    }
    record_ = next;
  }
  pending_until_ = now + kConfirmTime;
  return {};
}

void PairingWindow::succeed(std::uint64_t generation, MonoTime now) {
  if (generation != record_.generation || !record_.open) {
    return;
  }
  pending_until_.reset();
  record_.exhausted = 0;
  if (secret_->kind == wire::CodeKind::kDigits8) {
    ++record_.attempts_left;
    end_window(false, now);  // the code has done its work
  } else {
    static_cast<void>(ledger_.save(record_));
  }
}

void PairingWindow::lose(std::uint64_t generation, MonoTime now) {
  if (generation != record_.generation || !record_.open) {
    return;
  }
  pending_until_.reset();
  if (secret_->kind == wire::CodeKind::kDigits8 && record_.attempts_left == 0) {
    end_window(true, now);
  }
}

}  // namespace latchkey::pairing
