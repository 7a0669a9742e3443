// What a direct grant is to be called: agreed with the person before anything is made.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/connection.h"
#include "naming.h"
#include "pairing.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;
using wire::ErrorCode;

constexpr std::chrono::milliseconds kNameTime = std::chrono::minutes(10);

}  // namespace

void Pairing::give_name(std::string name, Answer answer) {
  if (over_ || name_answer_ || name_ || !begun_ || start_.wish.direct_host) {
    answer(fail(agent::error(ErrorCode::kCancelled)));
    return;
  }
  name_answer_ = std::move(answer);
  name_ = std::move(name);
  name_ready_.cancel();
}

bool Pairing::take_existing() {
  if (!start_.known) {
    return false;
  }
  agent::Wish users = start_.wish;
  users.profile = agent::kUserProfile;
  for (const agent::Wish& wish : {start_.wish, users}) {
    if (const auto grant = context_->desk.existing(wish, start_.known->device)) {
      start_.wish = wish;
      start_.wish.direct_host = grant->host;
      return true;
    }
  }
  return false;
}

net::Task<bool> Pairing::agree_on_name() {
  NameWish wish{start_.wish.profile, start_.wish.type, start_.endpoints,
                start_.known ? start_.known->device : DeviceId(Digest256{})};
  if (!start_.known) {
    // A window that is closed is said before anybody thinks about names.
    const auto needed = co_await look();
    if (!needed) {
      fail_with(needed.error());
      co_return false;
    }
    wish.device = needed->device;
  }
  std::string asked = start_.name;
  bool typed = false;
  while (!over_) {
    const auto proposed = co_await propose_name(context_, wish, asked);
    if (!proposed) {
      fail_with({ErrorCode::kNameConflict, "every name that comes to mind is taken", false});
      co_return false;
    }
    const std::string name(proposed->host.label());
    // Typed as it can stand, and free: to ask once more would be to ask the same.
    if (typed && !proposed->trouble && name == asked) {
      start_.wish.direct_host = proposed->host;
      co_return !over_;
    }
    json reply{{"session", start_.session},     {"state", "name"}, {"name", name},
               {"host", proposed->host.text()}, {"port", nullptr}, {"trouble", nullptr}};
    if (!start_.endpoints.empty()) {
      reply["port"] = start_.endpoints.front().port();
    }
    if (proposed->trouble) {
      reply["trouble"] = agent::name_of(*proposed->trouble);
    }
    begin(reply);
    auto given = co_await given_name();
    if (!given) {
      fail_with({ErrorCode::kCancelled, "no name was confirmed", false});
      co_return false;
    }
    if (*given == name) {
      start_.wish.direct_host = proposed->host;
      co_return !over_;
    }
    asked = *std::move(given);
    typed = true;
  }
  co_return false;
}

net::Task<std::optional<std::string>> Pairing::given_name() {
  if (!name_) {
    name_ready_.expires_after(kNameTime);
    (void)co_await name_ready_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  co_return std::exchange(name_, std::nullopt);
}

}  // namespace latchkey::agentd
