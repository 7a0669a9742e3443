#include "discovery/network.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "discovery/backend.h"
#include "discovery/interfaces.h"
#include "discovery/poll.h"

namespace latchkey::discovery {
namespace {

using std::chrono::milliseconds;

// A daemon that is being upgraded is back within seconds; until then nobody else takes its place.
constexpr int kSystemRetries = 10;
constexpr milliseconds kSystemRetryDelay{1000};
constexpr milliseconds kRetryDelay{5000};

}  // namespace

std::optional<Mode> parse_mode(std::string_view text) {
  if (text == "auto") {
    return Mode::kAuto;
  }
  if (text == "system") {
    return Mode::kSystem;
  }
  if (text == "builtin") {
    return Mode::kBuiltin;
  }
  if (text == "off") {
    return Mode::kOff;
  }
  return std::nullopt;
}

struct Network::State {
  State(boost::asio::io_context& io, NetworkOptions given)
      : options(std::move(given)),
        poll(io),
        changed_timer(poll, [this] { follow(); }),
        retry_timer(poll, [this] { open(); }) {}

  void open();
  void follow();
  void take_down();
  void lose();
  bool open_system();
  bool open_builtin();

  NetworkOptions options;
  Poll poll;
  Timer changed_timer;
  Timer retry_timer;
  std::unique_ptr<Backend> backend;
  Kind kind = Kind::kNone;
  std::vector<User*> users;
  std::string reason;
  int system_retries = 0;
  bool up = false;
  bool interrupted = false;
};

bool Network::State::open_system() {
  auto opened = open_system_backend(poll, [this] {
    interrupted = interrupted || !backend || backend->state() != Backend::State::kRunning;
    changed_timer.start_if_idle(milliseconds(0));
  });
  if (!opened) {
    reason = opened.error().message;
    return false;
  }
  backend = std::move(*opened);
  kind = Kind::kSystem;
  system_retries = kSystemRetries;
  return true;
}

bool Network::State::open_builtin() {
  const BuiltinOptions builtin{options.interfaces, options.publishes};
  auto opened = open_builtin_backend(poll, builtin, [this] {
    interrupted = interrupted || !backend || backend->state() != Backend::State::kRunning;
    changed_timer.start_if_idle(milliseconds(0));
  });
  if (!opened) {
    reason = opened.error().message;
    return false;
  }
  backend = std::move(*opened);
  kind = Kind::kBuiltin;
  return true;
}

void Network::State::open() {
  if (options.mode == Mode::kOff) {
    reason = "looking for devices is switched off";
    return;
  }
  if (options.mode != Mode::kBuiltin && open_system()) {
    return;
  }
  if (options.mode == Mode::kAuto && system_retries > 0) {
    --system_retries;
    retry_timer.start(kSystemRetryDelay);
    return;
  }
  if (options.mode != Mode::kSystem && open_builtin()) {
    return;
  }
  retry_timer.start(kRetryDelay);
}

void Network::State::follow() {
  if (!backend) {
    return;
  }
  if (std::exchange(interrupted, false)) {
    take_down();
  }
  if (backend->state() == Backend::State::kLost) {
    lose();
  } else if (backend->state() == Backend::State::kRunning && !up) {
    up = true;
    reason.clear();
    for (User* user : users) {
      user->backend_up();
    }
  }
}

void Network::State::take_down() {
  if (std::exchange(up, false)) {
    for (User* user : users) {
      user->backend_down();
    }
  }
}

void Network::State::lose() {
  take_down();
  reason = backend->reason();
  backend.reset();
  kind = Kind::kNone;
  retry_timer.start(kSystemRetryDelay);
}

Network::Network(boost::asio::io_context& io, NetworkOptions options)
    : state_(std::make_unique<State>(io, std::move(options))) {
  state_->open();
}

Network::~Network() {
  LATCHKEY_CHECK(state_->users.empty());
}

Network::Kind Network::kind() const {
  return state_->kind;
}
bool Network::running() const {
  return state_->up;
}
std::string Network::reason() const {
  return state_->reason.empty() && !state_->up ? "starting" : state_->reason;
}

void Network::attach(User& user) {
  state_->users.push_back(&user);
  if (state_->up) {
    user.backend_up();
  }
}
void Network::detach(User& user) {
  std::erase(state_->users, &user);
}
Backend* Network::backend() const {
  return state_->up ? state_->backend.get() : nullptr;
}
Poll& Network::poll() const {
  return state_->poll;
}
const NetworkOptions& Network::options() const {
  return state_->options;
}

std::vector<std::uint32_t> Network::interfaces() const {
  if (state_->options.interfaces.empty()) {
    return {0};
  }
  return interface_indexes(state_->options.interfaces);
}

}  // namespace latchkey::discovery
