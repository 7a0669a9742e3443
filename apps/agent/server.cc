#include "server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agent/sentinel.h"
#include "anchor_keeper.h"
#include "device_link.h"
#include "metadata_keeper.h"

namespace latchkey::agentd {
namespace {
constexpr std::chrono::milliseconds kEnforceAgain = std::chrono::minutes(1);
}  // namespace

Server::Server(Context* context, std::unique_ptr<net::UnixListener> listener)
    : context_(context),
      listener_(std::move(listener)),
      tick_(context->executor),
      tasks_(context->executor) {
  context_->changed = [this](const grant::AgentGrant& grant) {
    context_->anchors.changed(grant);
    for (const auto& client : clients_) {
      client->grant_changed(grant);
    }
  };
  context_->look_after = [this] { look_after(); };
  context_->ask_again = [this] {
    for (const auto& client : clients_) {
      client->trust_changed();
    }
  };
  context_->metadata.on_change([this] { on_trust(); });
}

void Server::enforce() {
  bool complete = false;
  for (const grant::AgentGrant& grant : agent::enforce(context_->desk, &complete)) {
    spdlog::info("grant {}: {}", grant.id.hex().substr(0, 8), grant::name_of(grant.state));
    context_->changed(grant);
  }
  enforce_ = !complete;
}

void Server::on_trust() {
  enforce();
  context_->ask_again();
  look_after();
}

void Server::start() {
  tasks_.spawn(accept_all());
  tasks_.spawn(keep_up());
  tasks_.spawn(context_->metadata.run());
  tasks_.spawn(context_->anchors.run());
}

void Server::stop() {
  listener_->close();
  for (const auto& client : std::set(clients_)) {
    client->close();
  }
  context_->metadata.stop();
  context_->anchors.stop();
  tasks_.cancel();
}

void Server::on_idle(std::function<void()> callback) {
  if (tasks_.empty()) {
    callback();
    return;
  }
  tasks_.on_end([this, done = std::move(callback)] {
    if (tasks_.empty()) {
      done();
    }
  });
}

net::Task<void> Server::accept_all() {
  while (true) {
    auto stream = co_await listener_->accept();
    if (!stream) {
      if (stream.error().code != net::Error::Code::kClosed) {
        spdlog::error("socket: {}", stream.error().detail);
      }
      co_return;
    }
    if (clients_.size() >= agent::kMaxConnections) {
      continue;
    }
    auto channel = net::JsonChannel::make(context_->executor, *std::move(stream));
    auto client = std::make_shared<Client>(context_, std::move(channel));
    clients_.insert(client);
    tasks_.spawn(serve(std::move(client)));
  }
}

net::Task<void> Server::serve(std::shared_ptr<Client> client) {
  co_await Client::run(client);
  clients_.erase(client);
}

void Server::look_after() {
  tick_.wake();
}

net::Task<void> Server::keep_up() {
  while (true) {
    const WallTime wall = context_->desk.now();
    const MonoTime mono = context_->clock.mono_now();
    if (context_->upkeep.on_time(wall, mono)) {
      spdlog::info("the clock jumped: looking after everything that is due");
      context_->metadata.wake();
    }
    // Again where not all could be stored: that is not forgotten.
    if (enforce_) {
      enforce();
    }
    if (const auto kept = context_->floor ? context_->floor->to_keep() : std::nullopt) {
      context_->settings.set(kClockSetting, *kept);
    }
    context_->desk.sweep();
    for (agent::Visit& visit : context_->upkeep.due(context_->desk.records(), wall, mono)) {
      context_->upkeep.begin(visit.binding.device);
      tasks_.spawn(this->visit(std::move(visit)));
    }
    const auto idle = context_->upkeep.idle(context_->desk.records(), wall, mono);
    // Ended early by look_after(), and when the clock is set or the computer wakes.
    co_await tick_.wait(enforce_ ? std::min(idle, kEnforceAgain) : idle);
  }
}

net::Task<void> Server::visit(agent::Visit visit) {
  const DeviceId device = visit.binding.device;
  bool well = false;
  auto link = co_await DeviceLink::reach(context_, visit.binding);
  if (link) {
    well = co_await (*link)->visit(std::move(visit));
  } else {
    spdlog::info("device {}: {}", device.hex().substr(0, 8), link.error().detail);
  }
  // What became due during the visit, a revocation perhaps, does not wait; and one that failed has
  // a time to be tried again.
  if (context_->upkeep.end(device, well, context_->clock.mono_now()) || !well) {
    look_after();
  }
}

}  // namespace latchkey::agentd
