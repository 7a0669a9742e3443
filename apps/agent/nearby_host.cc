#include "nearby_host.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/encoding.h"
#include "wire/names.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;
using wire::ErrorCode;

std::string service_of(const std::string& link) {
  return "b:" + link;
}

}  // namespace

NearbyHost::NearbyHost(net::Executor executor, Random& random, Client client)
    : executor_(std::move(executor)), random_(random), client_(std::move(client)) {}

NearbyHost::~NearbyHost() {
  stop();
}

void NearbyHost::stop() {
  if (const auto link = std::exchange(link_, nullptr)) {
    link->on_gone();
  }
}

CarriedLink::Carrier NearbyHost::carrier() const {
  // The name is copied: what an old link still says is said under its own.
  const auto say = [event = client_.event, name = name_](std::string_view what, json params) {
    params["link"] = name;
    event(what, params);
  };
  return {
      .send =
          [say](const Bytes& value) { say(wire::kNearbySend, {{"value", base64_encode(value)}}); },
      .connect = [say] { say(wire::kNearbyConnect, json::object()); },
      .hang_up = [say] { say(wire::kNearbyHangUp, json::object()); },
      .over =
          [say, lost = client_.lost, name = name_](std::optional<ErrorCode> why) {
            say(wire::kNearbyClosed, {{"code", why ? json(wire::name_of(*why)) : json(nullptr)}});
            lost(service_of(name));
          }};
}

agent::Result<json> NearbyHost::open(const agent::NearbyOpen& open) {
  if (open.link) {
    if (link(*open.link) == nullptr) {
      return fail(agent::error(ErrorCode::kUnreachable));
    }
  } else {
    if (const auto before = std::exchange(link_, nullptr)) {
      before->close(std::nullopt);
    }
    name_ = "n" + std::to_string(next_++);
    link_ = std::make_shared<CarriedLink>(executor_, random_, carrier());
  }
  rid_ = open.rid;
  return json{{"link", name_}};
}

void NearbyHost::go_on() {
  announce();
  if (link_) {
    link_->on_connected();
  }
}

void NearbyHost::announce() {
  if (link_ && !link_->is_over()) {
    // It would not show itself with its window closed.
    client_.seen({.service = service_of(name_),
                  .name = {},
                  .type = {},
                  .window_open = true,
                  .rid = rid_,
                  .address = {},
                  .port = 0,
                  .nearby = agent::Nearby::kLinked});
  }
}

CarriedLink* NearbyHost::link(const std::string& name) const {
  return link_ && name == name_ && !link_->is_over() ? link_.get() : nullptr;
}

void NearbyHost::on_value(const agent::NearbyValue& value) {
  if (CarriedLink* there = link(value.link)) {
    there->on_value(value.value);
  }
}

void NearbyHost::on_taken(const agent::NearbyTaken& taken) {
  if (CarriedLink* there = link(taken.link)) {
    there->on_taken();
  }
}

void NearbyHost::on_lost(const agent::NearbyLost& lost) {
  if (CarriedLink* there = link(lost.link)) {
    there->on_lost();
  }
}

void NearbyHost::on_close(const agent::NearbyClose& close) {
  if (link(close.link) != nullptr) {
    std::exchange(link_, nullptr)->on_gone();
    client_.lost(service_of(close.link));
  }
}

std::shared_ptr<NearbyWay> NearbyHost::find(std::string_view service) const {
  return link_ && !link_->is_over() && service == service_of(name_) ? link_ : nullptr;
}

}  // namespace latchkey::agentd
