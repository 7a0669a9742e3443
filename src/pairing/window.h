// The device's pairing window: when a code may be tried, and how often.
//
// open -> (attempt spent -> given back on success | lost) -> closed: by time, by success (digits8),
// by exhaustion, by hand. After an exhausted window the next one waits 30 s, doubling to 5 minutes;
// the count is kept over restarts, and a restart begins the wait anew, so that pulling the plug
// helps nobody. A restart always closes the window.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "pairing/code.h"
#include "pairing/spake2plus.h"
#include "wire/error.h"
#include "wire/messages.h"

namespace latchkey::pairing {

inline constexpr std::uint32_t kAttempts = 5;
inline constexpr std::chrono::milliseconds kMaxWindow = std::chrono::minutes(10);
inline constexpr std::chrono::milliseconds kConfirmTime = std::chrono::seconds(10);

// What must survive a restart.
struct WindowRecord {
  std::uint64_t generation = 0;  // counts windows; a code belongs to one
  bool open = false;
  std::uint32_t attempts_left = 0;  // of the open window
  std::uint32_t exhausted = 0;      // windows in a row that ended without a success
  friend bool operator==(const WindowRecord&, const WindowRecord&) = default;
};

// Where the record lives. save() returns true only when the record is durable.
class WindowLedger {
 public:
  virtual ~WindowLedger() = default;
  virtual WindowRecord load() = 0;
  virtual bool save(const WindowRecord& record) = 0;
};

class PairingWindow {
 public:
  struct Secret {
    wire::CodeKind kind;
    Bytes salt;
    std::uint32_t iterations;
    Verifier verifier;
  };
  // Loads the record and closes a window that a restart cut off.
  PairingWindow(WindowLedger& ledger, MonoTime now);

  // kLocked while the wait lasts (see wait_left), kInternal where the ledger fails. Opening while
  // open replaces the code; attempts that were spent on the old one stay spent.
  wire::Result<void> open(Secret secret, std::chrono::milliseconds length, MonoTime now);
  void close(MonoTime now);
  [[nodiscard]] bool is_open(MonoTime now) const;
  [[nodiscard]] std::chrono::milliseconds wait_left(MonoTime now) const;
  [[nodiscard]] std::optional<MonoTime> deadline() const { return ends_; }
  [[nodiscard]] std::uint64_t generation() const { return record_.generation; }
  [[nodiscard]] std::uint32_t attempts_left() const { return record_.attempts_left; }
  [[nodiscard]] const Secret* secret(MonoTime now) const;  // nullptr while closed

  // Takes one attempt, durably, for a session that read the secret in `generation`. kWindowClosed,
  // kLocked (another session is between steps 3 and 5), kInternal (not durable: not spent).
  wire::Result<void> spend(std::uint64_t generation, MonoTime now);
  // The session that spent an attempt proved the code.
  void succeed(std::uint64_t generation, MonoTime now);
  // It did not, or went away.
  void lose(std::uint64_t generation, MonoTime now);

 private:
  void end_window(bool exhausted, MonoTime now);
  WindowLedger& ledger_;
  WindowRecord record_;
  std::optional<Secret> secret_;
  std::optional<MonoTime> ends_;
  std::optional<MonoTime> pending_until_;  // an attempt between steps 3 and 5
  MonoTime may_open_;
};

}  // namespace latchkey::pairing
