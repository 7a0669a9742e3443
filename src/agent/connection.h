// What one connection of a client may do: hello first, then within its profile, and not too often.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "agent/error.h"
#include "agent/request.h"
#include "base/clock.h"
#include "grant/grant.h"

namespace latchkey::agent {

inline constexpr std::size_t kMaxConnections = 64;
inline constexpr std::size_t kMaxPairings = 4;  // at a time on one connection
inline constexpr std::chrono::milliseconds kHelloTime = std::chrono::seconds(10);

// The profile of the command line; no browser may claim it. What the person opens directly and was
// added there is the user's, in every browser profile of theirs.
inline const ProfileId kUserProfile{ByteArray<16>{}};

// So many at once, and one more each `refill`.
class RateLimit {
 public:
  struct Shape {
    unsigned burst = 1;
    std::chrono::milliseconds refill{1000};
  };
  explicit RateLimit(Shape shape) : shape_(shape), left_(shape.burst) {}
  bool take(MonoTime now);

 private:
  Shape shape_;
  unsigned left_;
  std::optional<MonoTime> since_;
};

enum class Browser { kNone, kChromium, kFirefox };

class Connection {
 public:
  // The one browser extension this agent works for, as Chromium and as Firefox call it; empty:
  // none.
  explicit Connection(std::string chromium_id, std::string firefox_id = {});

  // Whether this request may go on. hello changes the state; nothing else does.
  Result<void> admit(const Method& method, MonoTime now);
  // The connection is of no use any more: what came first was not hello.
  [[nodiscard]] bool greeted() const { return hello_.has_value(); }

  // What this connection may see. Nothing: every profile of the user.
  [[nodiscard]] bool sees(const ProfileId& profile) const;
  template <class Grant>  // or what is known of one
  [[nodiscard]] bool sees(const Grant& grant) const {
    return sees(grant.profile) || (hello_ && !grant.origin && grant.profile == kUserProfile);
  }
  // Not one profile's: the command line's without a profile.
  [[nodiscard]] bool sees_everything() const { return hello_ && !hello_->profile; }
  // What said hello; kNone: the command line, or nothing yet.
  [[nodiscard]] Browser browser() const { return browser_; }
  // Under which profile it pairs.
  [[nodiscard]] ProfileId profile() const;

 private:
  Result<void> on_hello(const Hello& hello);
  [[nodiscard]] Browser browser_of(const Hello& hello) const;
  std::string chromium_id_;
  std::string firefox_id_;
  Browser browser_ = Browser::kNone;
  std::optional<Hello> hello_;
  RateLimit all_;
  RateLimit pairings_;
  RateLimit codes_;
  RateLimit tickets_;
  RateLimit values_;   // of a Bluetooth link; flow control keeps honest ones far below
  RateLimit network_;  // what makes the agent talk to a device or look around
};

}  // namespace latchkey::agent
