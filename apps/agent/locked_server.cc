#include "locked_server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/reply.h"
#include "keys_check.h"
#include "platform/doctor_facts.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;
using wire::ErrorCode;

// Between looks at a keyring that may be there by now.
constexpr std::chrono::milliseconds kLook = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kDoctorTime = std::chrono::seconds(20);

json with_locked(const agent::StoreStanding& standing) {
  return agent::standing_json(standing);
}

}  // namespace

LockedServer::LockedServer(net::Executor executor, const Clock& clock, net::Worker& worker,
                           StoreGate& gate, net::UnixListener& listener, Options options)
    : executor_(executor),
      clock_(clock),
      worker_(worker),
      gate_(gate),
      listener_(listener),
      options_(std::move(options)),
      tick_(executor),
      tasks_(std::move(executor)) {}

net::Task<void> LockedServer::run() {
  tasks_.spawn(accept_all());
  while (!stopped_ && !gate_.standing().is_open()) {
    const bool may_pass = agent::may_pass_by_itself(gate_.standing().state);
    tick_.expires_at(may_pass ? net::after(kLook) : net::kNoDeadline);
    const auto [woken] =
        co_await tick_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (!woken && !stopped_ && agent::may_pass_by_itself(gate_.standing().state)) {
      co_await gate_.open(std::nullopt, false);
    }
  }
  for (const Channel& channel : std::set(channels_)) {
    channel->close_after_send();
  }
  tasks_.cancel();
  tasks_.on_end([this] { tick_.cancel(); });
  while (!tasks_.empty()) {
    tick_.expires_at(net::kNoDeadline);
    (void)co_await tick_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

void LockedServer::stop() {
  stopped_ = true;
  listener_.close();
  look_up();
}

// The loop in run() sees what changed.
void LockedServer::look_up() {
  tick_.cancel();
}

net::Task<void> LockedServer::accept_all() {
  while (true) {
    auto stream = co_await listener_.accept();
    if (!stream) {
      co_return;
    }
    if (channels_.size() >= agent::kMaxConnections) {
      continue;
    }
    auto channel = net::JsonChannel::make(executor_, *std::move(stream));
    channels_.insert(channel);
    tasks_.spawn(serve(std::move(channel)));
  }
}

net::Task<void> LockedServer::serve(Channel channel) {
  co_await talk(channel);
  channels_.erase(channel);
}

net::Task<void> LockedServer::talk(Channel channel) {
  agent::Connection connection(options_.extension_id, options_.firefox_id);
  net::Deadline deadline = net::after(agent::kHelloTime);
  while (true) {
    auto text = co_await channel->receive(deadline);
    if (!text) {
      co_return;
    }
    auto request = agent::parse_request(*text);
    SecretBytes::take(*std::move(text));  // wiped
    if (request) {
      const std::uint64_t id = request->id;
      const auto admitted = connection.admit(request->method, clock_.mono_now());
      if (!admitted) {
        channel->send(agent::reply_text(id, admitted.error()));
      } else {
        const Reply reply = co_await answer(*std::move(request));
        channel->send(reply ? agent::reply_text(id, *reply) : agent::reply_text(id, reply.error()));
        if (gate_.standing().is_open()) {
          look_up();
        }
      }
    } else if (request.error().id) {
      channel->send(agent::reply_text(*request.error().id, request.error().error));
    }
    if (!connection.greeted() || (!request && !request.error().id)) {
      channel->close_after_send();
      co_return;
    }
    deadline = net::kNoDeadline;
  }
}

json LockedServer::hello_json(const agent::StoreStanding& standing) {
  return {{"version", LATCHKEY_VERSION},
          {"protocol", 1},
          {"ready", false},
          {"locked", agent::locked_json(standing)},
          {"setup", {{"root_installed", false}, {"restart_needed", false}}}};
}

net::Task<LockedServer::Reply> LockedServer::answer(agent::Request request) {
  const agent::StoreStanding& standing = gate_.standing();
  if (std::holds_alternative<agent::Hello>(request.method)) {
    co_return hello_json(standing);
  }
  if (std::holds_alternative<agent::StoreStatus>(request.method)) {
    co_return with_locked(standing);
  }
  if (std::holds_alternative<agent::Doctor>(request.method)) {
    co_return co_await doctor();
  }
  if (std::holds_alternative<agent::StoreAccept>(request.method)) {
    co_return accept();
  }
  if (std::holds_alternative<agent::StoreStartAnew>(request.method)) {
    co_return co_await start_anew();
  }
  if (auto* asked = std::get_if<agent::StoreUnlock>(&request.method)) {
    agent::StoreUnlock taken = std::move(*asked);
    co_return co_await unlock(std::move(taken));
  }
  co_return fail(agent::locked_error(standing));
}

net::Task<LockedServer::Reply> LockedServer::unlock(agent::StoreUnlock unlock) {
  if (gate_.is_trying() || !tries_.take(clock_.mono_now())) {
    co_return fail(
        agent::Error{ErrorCode::kLocked, "That was a lot at once. Wait a moment and try again."});
  }
  const bool wrong_before = unlock.passphrase.has_value();
  const bool prompt = unlock.prompt && gate_.standing().state == agent::StoreState::kKeyringLocked;
  co_await gate_.open(std::move(unlock.passphrase), prompt);
  const agent::StoreStanding& standing = gate_.standing();
  if (wrong_before && standing.state == agent::StoreState::kPassphraseNeeded) {
    co_return fail(agent::Error{ErrorCode::kWrongCode,
                                standing.fresh
                                    ? "A passphrase needs at least 8 characters."
                                    : "That is not the passphrase. Nothing was changed."});
  }
  co_return with_locked(standing);
}

LockedServer::Reply LockedServer::accept() {
  if (const auto done = gate_.accept(); !done) {
    return fail(done.error());
  }
  spdlog::info("an older store was accepted");
  return with_locked(gate_.standing());
}

net::Task<LockedServer::Reply> LockedServer::start_anew() {
  const auto old = co_await gate_.start_anew(clock_.wall_now());
  if (!old) {
    co_return fail(old.error());
  }
  spdlog::info("began anew; the old store is {}", *old);
  json status = with_locked(gate_.standing());
  status["old"] = old->empty() ? json(nullptr) : json(*old);
  co_return status;
}

net::Task<LockedServer::Reply> LockedServer::doctor() {
  platform::DoctorQuestion question{.environment = platform::Environment::current(),
                                    .agent_socket = options_.socket_path,
                                    .asked_by_agent = true,
                                    .root = std::nullopt,
                                    .root_installed = std::nullopt,
                                    .more_databases = {},
                                    .more_user_data = {},
                                    .extension_id = options_.extension_id,
                                    .known_past = {},
                                    .system = "/"};
  // Named, not written inside the call: g++ 12 copies the bytes of a closure made there.
  auto look = [question = std::move(question)] {
    return platform::judge(platform::read_facts(question));
  };
  auto checks = co_await worker_.run(executor_, net::after(kDoctorTime), std::move(look));
  // Which root the browsers should trust stands in the store.
  auto all = checks.value_or(std::vector<platform::Check>{});
  std::erase_if(all, [](const platform::Check& one) { return one.id == "trust"; });
  add_keys_checks(all, gate_.standing());
  json out = json::array();
  for (const platform::Check& check : all) {
    out.push_back(check_json(check));
  }
  co_return json{{"checks", std::move(out)}};
}

}  // namespace latchkey::agentd
