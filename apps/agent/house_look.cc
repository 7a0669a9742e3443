#include "house_look.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <memory>
#include <utility>

#include "base/text.h"
#include "lookout.h"
#include "net/device_client.h"

namespace latchkey::agentd {
namespace {

// Digits of a device's id that the command line takes for it.
constexpr std::size_t kShownId = 8;

using platform::DeviceFact;
using platform::House;
using platform::Reach;

// Responders answer within 120 ms; a question is repeated after one second and after two more.
constexpr std::chrono::milliseconds kListen = std::chrono::milliseconds(3500);
constexpr std::chrono::milliseconds kMore = std::chrono::milliseconds(200);
constexpr std::chrono::milliseconds kKnock = std::chrono::seconds(6);
// More than a house has; whoever floods the link is not knocked at.
constexpr std::size_t kMaxOwn = 16;
constexpr std::size_t kMaxOthers = 8;

struct Door {
  DeviceFact fact;
  net::Endpoints endpoints;
  std::optional<grant::Binding> binding;  // the person's own
};

// Shared by the coroutines that knock; outlives whichever of them is last.
struct Round {
  Round(net::Executor executor, std::vector<Door> all)
      : doors(std::move(all)), open(doors.size()), done(executor, net::after(kKnock)) {}
  std::vector<Door> doors;
  std::size_t open;
  boost::asio::steady_timer done;
};

void add_new(net::Endpoints& to, const net::Endpoints& from) {
  for (const net::Endpoint& endpoint : from) {
    if (std::find(to.begin(), to.end(), endpoint) == to.end()) {
      to.push_back(endpoint);
    }
  }
}

std::string text_of(const net::Endpoints& endpoints) {
  std::string text;
  for (const net::Endpoint& endpoint : endpoints) {
    text += (text.empty() ? "" : ", ") + endpoint.address().to_string() + " port " +
            std::to_string(endpoint.port());
  }
  return text.empty() ? "no address" : text;
}

std::vector<Door> doors_of(Context* context, const std::vector<grant::Binding>& bindings) {
  std::vector<Door> doors;
  std::map<DeviceId, std::size_t> own;
  for (const grant::Binding& binding : bindings) {
    if (doors.size() == kMaxOwn) {
      break;
    }
    own.emplace(binding.device, doors.size());
    Door door;
    door.fact = {
        clean_display_name(binding.name),        true, false, Reach::kNotSeen, binding.port, "",
        binding.device.hex().substr(0, kShownId)};
    door.binding = binding;
    doors.push_back(std::move(door));
  }
  std::size_t others = 0;
  for (const auto& [key, service] : context->lookout.services()) {
    const auto match = agent::match(announced_of(service), bindings);
    const auto known = match ? own.find(match->device) : own.end();
    if (known != own.end()) {
      doors[known->second].fact.heard = true;
      add_new(doors[known->second].endpoints, endpoints_of(service));
    } else if (!match && others++ < kMaxOthers) {
      Door door;
      door.fact = {clean_display_name(service.name), false, true, Reach::kNotSeen, 0, ""};
      door.endpoints = endpoints_of(service);
      doors.push_back(std::move(door));
    }
  }
  for (Door& door : doors) {
    boost::system::error_code bad;
    const auto last = door.binding ? boost::asio::ip::make_address(door.binding->address, bad)
                                   : boost::asio::ip::address();
    if (door.binding && !bad && door.binding->port != 0) {
      add_new(door.endpoints, {net::Endpoint(last, door.binding->port)});
    }
    if (!door.endpoints.empty()) {
      door.fact.port = door.endpoints.front().port();
    }
  }
  return doors;
}

// Until it turns out otherwise: nothing answered in time.
void assume_silence(Door& door) {
  if (door.endpoints.empty()) {
    door.fact.detail = door.fact.heard ? "announced without an address that can be used"
                                       : "not announced, and never seen at an address";
    door.fact.reach = door.fact.heard ? Reach::kSilent : Reach::kNotSeen;
    return;
  }
  door.fact.reach = door.fact.heard ? Reach::kSilent : Reach::kNotSeen;
  door.fact.detail =
      text_of(door.endpoints) + ": no answer" + (door.fact.heard ? "" : ", and not announced");
}

void judge(Door& door, const net::DeviceError& error) {
  const std::string where = text_of(door.endpoints);
  switch (error.code) {
    case net::DeviceError::Code::kNotPairing:
      door.fact.reach = Reach::kReached;
      door.fact.detail = where + ": answers";
      return;
    case net::DeviceError::Code::kOtherKey:
      door.fact.reach = Reach::kOtherKey;
      door.fact.detail = where + ": another key than the device's";
      return;
    case net::DeviceError::Code::kBroken:
      door.fact.reach = Reach::kBroken;
      break;
    case net::DeviceError::Code::kUnreachable:
      if (error.timed_out) {
        return;
      }
      door.fact.reach = door.fact.heard ? Reach::kRefused : Reach::kNotSeen;
      break;
  }
  door.fact.detail = where + ": " + error.detail + (door.fact.heard ? "" : "; not announced");
}

net::Task<void> knock(std::shared_ptr<Round> round, std::size_t index, net::Executor executor) {
  Door& door = round->doors[index];
  std::optional<net::DeviceError> failed;
  if (door.binding) {
    const auto client = co_await net::ManageClient::connect(executor, door.endpoints,
                                                            SpkiHash(door.binding->device.bytes()),
                                                            door.binding->management_key);
    if (!client) {
      failed = client.error();
    }
  } else {
    const auto link = co_await net::connect_pairing(executor, door.endpoints);
    if (!link) {
      failed = link.error();
    }
  }
  if (failed) {
    judge(door, *failed);
  } else {
    door.fact.reach = Reach::kReached;
    door.fact.detail = text_of(door.endpoints) + ": answers";
  }
  if (--round->open == 0) {
    round->done.cancel();
  }
}

}  // namespace

net::Task<House> look_at_house(Context* context) {
  House house;
  const auto bindings = context->desk.records().bindings();
  boost::asio::steady_timer timer(context->executor, net::after(kListen));
  bool all = false;
  std::vector<DeviceId> missing;
  for (const grant::Binding& binding : bindings) {
    missing.push_back(binding.device);
  }
  const auto listening = context->lookout.listen([&](const discovery::SourceEvent& event) {
    if (const auto* looking = std::get_if<discovery::Looking>(&event)) {
      house.problem = looking->available ? "" : looking->message;
    } else if (const auto* found = std::get_if<discovery::Found>(&event)) {
      if (const auto match = agent::match(announced_of(found->service), bindings)) {
        std::erase(missing, match->device);
      }
      // All of them: no need to wait for more, but for what is announced besides at this moment.
      if (!bindings.empty() && missing.empty() && !std::exchange(all, true)) {
        timer.expires_after(kMore);
      }
    }
  });
  const discovery::Network* network = context->lookout.network();
  house.listened = network != nullptr && network->options().mode != discovery::Mode::kOff;
  if (!house.listened) {
    timer.expires_after(kMore);  // what the operator named is there at once
  }
  while (timer.expiry() > std::chrono::steady_clock::now()) {
    // Set anew, it wakes early.
    (void)co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  for (const auto& [key, service] : context->lookout.services()) {
    house.heard += key.starts_with("n:") ? 1U : 0U;
  }
  if (!house.listened) {
    house.problem.clear();
  }

  auto round = std::make_shared<Round>(context->executor, doors_of(context, bindings));
  net::TaskGroup tasks(context->executor);
  for (std::size_t i = 0; i < round->doors.size(); ++i) {
    assume_silence(round->doors[i]);
    if (round->doors[i].endpoints.empty()) {
      --round->open;
    } else {
      tasks.spawn(knock(round, i, context->executor));
    }
  }
  if (round->open > 0) {
    (void)co_await round->done.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  tasks.cancel();
  for (Door& door : round->doors) {
    house.devices.push_back(door.fact);
  }
  co_return house;
}

}  // namespace latchkey::agentd
