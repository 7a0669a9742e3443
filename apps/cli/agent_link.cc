#include "agent_link.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "terminal.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kAnswerTime = std::chrono::seconds(60);

Failure lost() {
  return {Exit::kFailed, "internal", "The Latchkey agent stopped answering.",
          "Run the command again; if it happens again, run `latchkey doctor`."};
}

Failure no_agent(const net::LocalError& error) {
  if (error.code == net::LocalErrorCode::kRefused) {
    return {Exit::kFailed, "internal", error.detail,
            "Make the folder your own again, or choose another socket with --socket."};
  }
  return {Exit::kFailed, "internal", "The Latchkey agent could not be started: " + error.detail,
          "Run `latchkey-agent run` to see why."};
}

}  // namespace

AgentLink::AgentLink(net::OwnedFd fd)
    : fd_(std::move(fd)), frames_(wire::kMaxAgentMessage, wire::FrameDecoder::Order::kNative) {}

Result<AgentLink> AgentLink::open(const std::string& socket,
                                  const std::optional<ProfileId>& profile, Locked locked) {
  auto fd = net::connect_or_start(socket, net::agent_program());
  if (!fd) {
    return fail(no_agent(fd.error()));
  }
  AgentLink link(*std::move(fd));
  auto about = link.call(wire::kHello, {{"client", "cli"},
                                        {"version", LATCHKEY_VERSION},
                                        {"profile", profile ? json(profile->hex()) : json()}});
  if (!about) {
    return fail(about.error());
  }
  link.about_ = *std::move(about);
  if (const auto found = link.about_.find("locked");
      found != link.about_.end() && locked == Locked::kRefused) {
    return fail(Failure{Exit::kFailed, "locked", found->value("message", ""),
                        found->value("fix", "Run `latchkey doctor` to find out more.")});
  }
  return link;
}

Result<std::optional<json>> AgentLink::receive(std::chrono::steady_clock::time_point until) {
  while (true) {
    if (const auto frame = frames_.next()) {
      json message = json::parse(frame->begin(), frame->end(), nullptr, false);
      if (!message.is_object()) {
        return fail(lost());
      }
      return std::optional(std::move(message));
    }
    if (interrupted() && !ignore_interrupts_) {
      return fail(failure_from("cancelled", "Stopped."));
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return std::optional<json>();
    }
    pollfd wait{fd_.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::min<long>(left.count(), 60000)));
    if (ready <= 0) {
      continue;
    }
    std::array<std::uint8_t, 16384> buffer{};
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0 || !frames_.push(ByteSpan(buffer).first(static_cast<std::size_t>(got)))) {
      return fail(lost());
    }
  }
}

Result<json> AgentLink::call(std::string_view method, json params) {
  const std::uint64_t id = next_id_++;
  const json request{{"id", id}, {"method", method}, {"params", std::move(params)}};
  if (!net::write_local_message(fd_.get(), request.dump())) {
    return fail(lost());
  }
  const auto until = std::chrono::steady_clock::now() + kAnswerTime;
  while (true) {
    auto message = receive(until);
    if (!message) {
      return fail(message.error());
    }
    if (!*message) {
      return fail(lost());
    }
    json& answer = **message;
    if (answer.contains("event")) {
      events_.push_back({answer.value("event", ""), answer.value("params", json::object())});
    } else if (answer.value("id", json()) == id) {
      if (answer.contains("error")) {
        return fail(failure_from(answer["error"].value("code", "internal"),
                                 answer["error"].value("message", "")));
      }
      return answer.value("result", json::object());
    }
  }
}

Result<std::optional<Event>> AgentLink::next_event(std::chrono::milliseconds wait) {
  const auto until = std::chrono::steady_clock::now() + wait;
  while (events_.empty()) {
    auto message = receive(until);
    if (!message) {
      return fail(message.error());
    }
    if (!*message) {
      return std::optional<Event>();
    }
    json& said = **message;
    if (said.contains("event")) {
      events_.push_back({said.value("event", ""), said.value("params", json::object())});
    }
  }
  Event event = std::move(events_.front());
  events_.pop_front();
  return std::optional(std::move(event));
}

}  // namespace latchkey::cli
