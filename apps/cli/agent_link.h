// The command line's conversation with the agent: one request at a time, events in between.
#pragma once

#include <chrono>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/ids.h"
#include "net/local_message.h"
#include "outcome.h"
#include "wire/frame.h"

namespace latchkey::cli {

struct Event {
  std::string name;
  nlohmann::json params;
};

class AgentLink {
 public:
  // Starts the agent where it does not run, and says hello.
  // `locked`: what to do with an agent that has not got its store; kFine: about() has "locked".
  enum class Locked { kRefused, kFine };
  static Result<AgentLink> open(const std::string& socket, const std::optional<ProfileId>& profile,
                                Locked locked = Locked::kRefused);

  // The result, or what the agent said against it. Ctrl-C ends it ("cancelled").
  Result<nlohmann::json> call(std::string_view method, nlohmann::json params);
  // The next event; nothing where none came in time.
  Result<std::optional<Event>> next_event(std::chrono::milliseconds wait);
  // What hello answered.
  [[nodiscard]] const nlohmann::json& about() const { return about_; }
  // After Ctrl-C the conversation may go on, to cancel what was begun.
  void ignore_interrupts() { ignore_interrupts_ = true; }

 private:
  explicit AgentLink(net::OwnedFd fd);
  Result<std::optional<nlohmann::json>> receive(std::chrono::steady_clock::time_point until);
  net::OwnedFd fd_;
  wire::FrameDecoder frames_;
  std::deque<Event> events_;
  nlohmann::json about_;
  std::uint64_t next_id_ = 1;
  bool ignore_interrupts_ = false;
};

}  // namespace latchkey::cli
