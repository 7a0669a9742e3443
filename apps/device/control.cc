#include "device/control.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/local_message.h"
#include "pairing/code.h"

namespace latchkey::device {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxClients = 8;
constexpr std::chrono::milliseconds kRequestTime = std::chrono::seconds(5);

bool may_ask(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == ::geteuid() || peer.uid == 0);
}

tl::unexpected<ControlError> refuse(std::string code, std::string message, std::string hint) {
  return fail(ControlError{std::move(code), std::move(message), std::move(hint)});
}

std::string wait_text(std::chrono::milliseconds wait) {
  return std::to_string((wait.count() + 999) / 1000) + " seconds";
}

}  // namespace

json to_json(const ControlError& error) {
  return {{"error", {{"code", error.code}, {"message", error.message}, {"hint", error.hint}}}};
}

Control::Control(net::Executor executor, Parts parts)
    : executor_(executor), parts_(std::move(parts)), tasks_(std::move(executor)) {}

bool Control::start(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  (void)::unlink(path.c_str());
  net::OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open() ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), 8) != 0) {
    return false;
  }
  path_ = path;
  listener_ = net::WatchedFd::take(executor_, fd.release());
  tasks_.spawn(accept_all());
  return true;
}

void Control::stop() {
  if (listener_ && listener_->is_open()) {
    listener_->close();
    (void)::unlink(path_.c_str());
  }
  tasks_.cancel();
}

net::Task<void> Control::accept_all() {
  const auto listener = listener_;
  while (listener->is_open()) {
    net::OwnedFd fd(::accept4(listener->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.is_open()) {
      (void)co_await listener->wait(net::WatchedFd::Side::kRead, net::kNoDeadline);
    } else if (may_ask(fd.get()) && tasks_.size() <= kMaxClients) {
      tasks_.spawn(serve(net::JsonChannel::make(
          executor_, std::make_unique<net::FdStream>(executor_, fd.release()))));
    }
  }
}

net::Task<void> Control::serve(std::shared_ptr<net::JsonChannel> channel) {
  const auto text = co_await channel->receive(net::after(kRequestTime));
  if (!text) {
    co_return;
  }
  json request = json::parse(*text, nullptr, false);
  if (!request.is_object()) {
    co_return;
  }
  const auto result = co_await handle(std::move(request));
  channel->send(result ? json{{"result", *result}}.dump() : to_json(result.error()).dump());
  channel->close_after_send();
}

net::Task<ControlResult> Control::handle(json request) {
  const std::string command = request.value("command", "");
  if (command == "open-window") {
    co_return co_await open_window(std::move(request));
  }
  if (command == "close-window") {
    parts_.device.close_window();
    co_return json::object();
  }
  if (command == "status") {
    co_return status();
  }
  if (command == "audit") {
    co_return audit(request);
  }
  if (command == "remove-agent") {
    co_return remove_agent(request);
  }
  if (command == "factory-reset") {
    co_return co_await factory_reset();
  }
  co_return refuse("unsupported", "The running device does not know this command.",
                   "Restart it after an update.");
}

net::Task<ControlResult> Control::open_window(json request) {
  Device& device = parts_.device;
  const auto wait = device.window().wait_left(device.clock().mono_now());
  if (wait > std::chrono::milliseconds(0)) {
    co_return refuse("locked", "Too many wrong codes were tried.",
                     "Try again in " + wait_text(wait) + ".");
  }
  const std::int64_t minutes = request.value("minutes", std::int64_t{10});
  const bool key128 = request.value("key128", false);
  const auto kind = key128 ? wire::CodeKind::kKey128 : wire::CodeKind::kDigits8;
  if (minutes < 1 || minutes > 10) {
    co_return refuse("malformed", "A window stays open for 1 to 10 minutes.",
                     "Leave out --minutes for 10.");
  }
  const std::chrono::minutes length(minutes);
  const auto code = co_await parts_.opener.open(kind, length, std::nullopt);
  if (!code) {
    co_return refuse(std::string(wire::name_of(code.error().code)),
                     "The pairing window could not be opened: " + code.error().detail + ".",
                     "Wait a moment and try again.");
  }
  const WallTime ends = device.clock().wall_now() + length;
  json result = {{"code", std::string(as_text(code->canonical()))},
                 {"display", code->for_display()},
                 {"kind", std::string(wire::name_of(kind))},
                 {"expires", ends.unix_seconds},
                 {"name", device.identity().name}};
  result["qr"] =
      key128 ? json(pairing::make_link(*code, device.identity().name, device.id())) : json(nullptr);
  co_return result;
}

ControlResult Control::status() {
  Device& device = parts_.device;
  const MonoTime now = device.clock().mono_now();
  const auto agents = device.store().agents();
  if (!agents) {
    return refuse("internal", "The device's records cannot be read.",
                  "Look into its log, then restart it.");
  }
  json people = json::array();
  json grants = json::array();
  for (const grant::BoundAgent& agent : *agents) {
    const auto held = device.store().grants_of(agent.key_hash);
    const std::string id = agent.key_hash.hex().substr(0, 12);
    people.push_back({{"id", id},
                      {"person", device.records().number(agent.key_hash)},
                      {"since", agent.bound_at.unix_seconds},
                      {"last_seen", agent.last_seen.unix_seconds},
                      {"grants", held ? held->size() : 0}});
    for (const grant::DeviceGrant& grant : held.value_or(std::vector<grant::DeviceGrant>())) {
      json sso = nullptr;
      if (grant.sso) {
        sso = {{"issuer", grant.sso->issuer.text()}, {"client", grant.sso->client}};
      }
      grants.push_back({{"id", grant.id.hex()},
                        {"agent", id},
                        {"host", grant.host.text()},
                        {"origin", grant.origin ? json(grant.origin->text()) : json(nullptr)},
                        {"state", std::string(grant::name_of(
                                      grant.suspended ? grant::State::kSuspended : grant.state))},
                        {"sso", std::move(sso)},
                        {"not_after", grant.not_after.unix_seconds}});
    }
  }
  json window = {{"open", device.window_is_open()}};
  if (device.window_is_open()) {
    const auto left = *device.window().deadline() - now;
    window["seconds_left"] = left.count() / 1000;
    window["attempts_left"] = device.window().attempts_left();
  } else {
    window["wait_seconds"] = (device.window().wait_left(now).count() + 999) / 1000;
  }
  return json{{"name", device.identity().name},
              {"type", device.identity().type},
              {"id", device.id().hex()},
              {"port", device.identity().port},
              {"window", window},
              {"agents", people},
              {"grants", grants},
              {"network", parts_.network()},
              {"records",
               {{"sealed", device.store().sealed().kind},
                {"witness", device.store().witness_failed() ? "failed" : "ok"}}}};
}

ControlResult Control::audit(const json& request) {
  const std::int64_t limit = request.value("limit", std::int64_t{100});
  if (limit < 1 || limit > static_cast<std::int64_t>(store::DeviceStore::kMaxAuditEvents)) {
    return refuse("malformed", "That many lines are never kept.", "Leave out --lines for 100.");
  }
  Device& device = parts_.device;
  json events = json::array();
  for (const front::AuditLine& line : device.records().audit(static_cast<std::size_t>(limit))) {
    json event = {{"time", line.time.unix_seconds}, {"kind", line.kind}, {"detail", line.detail}};
    event["person"] = line.agent ? json(device.records().number(*line.agent)) : json(nullptr);
    event["agent"] = line.agent ? json(line.agent->hex().substr(0, 12)) : json(nullptr);
    event["grant"] = line.grant ? json(line.grant->hex()) : json(nullptr);
    events.push_back(std::move(event));
  }
  return json{{"events", std::move(events)}};
}

ControlResult Control::remove_agent(const json& request) {
  const std::string id = request.value("id", "");
  const auto agents = parts_.device.store().agents();
  if (agents && id.size() >= 8) {
    for (const grant::BoundAgent& agent : *agents) {
      if (agent.key_hash.hex().starts_with(id)) {
        if (parts_.device.remove_agent(agent.key_hash)) {
          return json::object();
        }
        return refuse("internal", "It could not be stored.", "Check the disk and try again.");
      }
    }
  }
  return refuse("not_granted", "Nobody with this id is known here.",
                "The ids are in: latchkey-device status");
}

net::Task<ControlResult> Control::factory_reset() {
  const auto done = co_await parts_.reset();
  if (!done) {
    const bool begun = is_reset_pending(parts_.state);
    co_return refuse("internal", "The reset did not go through: " + done.error() + ".",
                     begun ? "It has begun, so the device serves nobody until it is done: mend "
                             "that and start the device again."
                           : "Nothing has changed. Mend that and try again.");
  }
  spdlog::warn("factory reset: keys, permissions and sessions are gone");
  json result = json::object();
  if (parts_.given_name) {
    result["name_stays"] = *parts_.given_name;
  }
  co_return result;
}

}  // namespace latchkey::device
