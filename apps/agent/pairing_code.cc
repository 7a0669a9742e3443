// Pairing with a code, over TLS or over Bluetooth: hello, the code, the offer, the certificate.
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/reply.h"
#include "nearby.h"
#include "pairing.h"
#include "pairing_talk.h"
#include "wire/names.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;
using wire::ErrorCode;

constexpr std::chrono::milliseconds kCodeTime = std::chrono::minutes(10);
// A little less than the device waits.
constexpr std::chrono::milliseconds kNetworkTypingTime =
    enroll::kRetryTime - std::chrono::seconds(10);
constexpr std::chrono::milliseconds kDeriveTime = std::chrono::seconds(30);
// Over Bluetooth a connection may come back within half a minute.
constexpr std::chrono::milliseconds kStall = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kStallNearby = std::chrono::seconds(40);

net::Deadline deadline_of(const std::optional<MonoTime>& time, std::chrono::milliseconds stall) {
  return time ? net::Deadline(std::chrono::milliseconds(time->ms)) : net::after(stall);
}

wire::Error lost(const net::Error& error) {
  return {ErrorCode::kUnreachable, error.detail, false};
}

wire::Error hung_up() {
  return {ErrorCode::kUnreachable, "hung up", false};
}

// What Bluetooth itself says of the end. A device that refuses has its window closed by now, or
// serves somebody else.
wire::Error why_lost(const net::ByteStream& stream, const net::Error& error) {
  const auto* link = dynamic_cast<const net::GattStream*>(&stream);
  const auto ended = link != nullptr ? link->ended() : std::nullopt;
  if (!ended || !ended->from_peer) {
    return lost(error);
  }
  if (ended->reason == gatt::EndReason::kRefused) {
    return {ErrorCode::kWindowClosed, error.detail, true};
  }
  if (ended->reason == gatt::EndReason::kUnsupported) {
    return {ErrorCode::kUnsupported, error.detail, true};
  }
  return lost(error);
}

}  // namespace

net::Task<std::optional<SecretBytes>> Pairing::typed_code() {
  if (!code_) {
    code_ready_.expires_after(kCodeTime);
    (void)co_await code_ready_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  co_return std::exchange(code_, std::nullopt);
}

net::Task<wire::Result<std::unique_ptr<Pairing::Talk>>> Pairing::connect(
    std::optional<DeviceId> expected) {
  auto talk = std::make_unique<Talk>();
  talk->desk = std::make_unique<WatchedDesk>(context_->desk, start_.wish, making_, names_another_);
  if (start_.nearby) {
    auto stream = co_await start_.nearby->open();
    if (!stream) {
      co_return fail(lost(stream.error()));
    }
    talk->stream = *std::move(stream);
    // Nothing ties the channel to the radio: the code alone does (threats.md row 42).
    talk->session = std::make_unique<enroll::AgentSession>(
        *talk->desk, context_->random, Digest256{}, std::nullopt, std::move(expected));
    talk->session->ask_for_network();
    co_return std::move(talk);
  }
  auto link = co_await net::connect_pairing(context_->executor, start_.endpoints);
  if (!link) {
    co_return fail(wire_error(link.error()));
  }
  const DeviceId shown(link->bootstrap_key.spki_hash().bytes());
  talk->stream = std::move(link->stream);
  talk->endpoint = link->endpoint;
  talk->session = std::make_unique<enroll::AgentSession>(
      *talk->desk, context_->random, link->channel_binding, shown, std::move(expected));
  co_return std::move(talk);
}

// Up to the device's hello.
net::Task<wire::Result<std::unique_ptr<Pairing::Talk>>> Pairing::greet(
    std::optional<DeviceId> expected) {
  auto talk = co_await connect(std::move(expected));
  if (!talk) {
    co_return fail(talk.error());
  }
  enroll::AgentSession& session = *(*talk)->session;
  auto effects = session.start(context_->clock.mono_now());
  std::array<std::uint8_t, 4096> buffer{};
  while (true) {
    for (const enroll::AgentEffect& effect : effects) {
      if (const auto* send = std::get_if<enroll::SendBytes>(&effect)) {
        const auto sent = co_await (*talk)->stream->write_all(send->bytes, stall());
        if (!sent) {
          co_return fail(why_lost(*(*talk)->stream, sent.error()));
        }
      } else if (const auto* needed = std::get_if<enroll::CodeNeeded>(&effect)) {
        (*talk)->needed = *needed;
        co_return std::move(*talk);
      } else if (const auto* failed = std::get_if<enroll::Failed>(&effect)) {
        co_return fail(failed->error);
      }
    }
    const auto got =
        co_await (*talk)->stream->read_some(buffer, deadline_of(session.deadline(), stall()));
    if (!got || *got == 0) {
      co_return fail(got ? hung_up() : why_lost(*(*talk)->stream, got.error()));
    }
    effects = session.on_bytes(context_->clock.mono_now(), ByteSpan(buffer).first(*got));
  }
}

// Asks the device who it is and what code it wants. Then it hangs up, for a person takes a while to
// type; but not over Bluetooth, where connecting takes a while, too.
net::Task<wire::Result<pairing::CodeNeeded>> Pairing::look() {
  if (talk_ && talk_->stream->is_open()) {
    co_return *talk_->needed;
  }
  auto talk = co_await greet(std::nullopt);
  if (!talk) {
    co_return fail(talk.error());
  }
  pairing::CodeNeeded needed = *(*talk)->needed;
  if (start_.nearby) {
    talk_ = *std::move(talk);
  }
  co_return needed;
}

net::Task<void> Pairing::with_code() {
  auto needed = co_await look();
  if (!needed) {
    fail_with(needed.error());
    co_return;
  }
  if (!busy_) {
    busy_ = needed->device;
    context_->upkeep.begin(*busy_);
  }
  json asked{{"session", start_.session},
             {"state", "code"},
             {"code", agent::code_json(needed->kind, needed->attempts_left)}};
  if (start_.wish.direct_host) {
    // Whoever types a code is told what it is for, by who knows (threats.md row 41).
    asked["host"] = start_.wish.direct_host->text();
  }
  begin(asked);
  // Attempts at a key128 are not counted.
  std::optional<std::uint32_t> left;
  if (needed->kind == wire::CodeKind::kDigits8) {
    left = needed->attempts_left;
  }
  while (!over_) {
    const auto typed = co_await typed_code();
    if (!typed) {
      fail_with({ErrorCode::kWindowClosed, "no code was typed", false});
      co_return;
    }
    const std::string_view text = as_text(typed->span());
    auto link = pairing::parse_link(text);
    auto code =
        link ? std::optional(link->code.clone()) : pairing::PairingCode::parse(text, needed->kind);
    if (!code || code->kind() != needed->kind || (link && link->device != needed->device)) {
      // It cannot be right: no attempt is spent on it.
      if (!on_wrong_code(left)) {
        co_return;
      }
      continue;
    }
    progress(Step::kCheck, false);
    const auto made = co_await attempt(*std::move(code), needed->device);
    if (made) {
      co_await finish(made->grant, made->endpoints);
      co_return;
    }
    if (made.error().code != ErrorCode::kWrongCode) {
      fail_with(made.error());
      co_return;
    }
    if (left) {
      left = std::max(*left, 1U) - 1;
    }
    if (!on_wrong_code(left)) {
      co_return;
    }
  }
}

net::Task<wire::Result<Pairing::Attempt>> Pairing::attempt(pairing::PairingCode code,
                                                           std::optional<DeviceId> expected) {
  auto talk = std::exchange(talk_, nullptr);
  if (!talk || !talk->stream->is_open()) {
    auto fresh = co_await greet(std::move(expected));
    if (!fresh) {
      co_return fail(fresh.error());
    }
    talk = *std::move(fresh);
  }
  // It has a name because g++ 12 destroys a closure that is a temporary of co_await twice.
  auto derive = [typed = code.clone(), salt = talk->needed->salt,
                 rounds = talk->needed->iterations] {
    return pairing::derive_password_key(typed, salt, rounds);
  };
  auto key =
      co_await context_->worker.run(context_->executor, net::after(kDeriveTime), std::move(derive));
  if (!key) {
    co_return fail(wire::Error{ErrorCode::kInternal, "the code took too long", false});
  }
  enroll::AgentSession& session = *talk->session;
  auto effects = session.on_password_key(context_->clock.mono_now(), *std::move(key));
  std::array<std::uint8_t, 4096> buffer{};
  while (true) {
    std::optional<wire::NetworkState> told;
    for (const enroll::AgentEffect& effect : effects) {
      if (const auto* send = std::get_if<enroll::SendBytes>(&effect)) {
        const auto sent = co_await talk->stream->write_all(send->bytes, stall());
        if (!sent) {
          co_return fail(why_lost(*talk->stream, sent.error()));
        }
      } else if (std::holds_alternative<enroll::Paired>(effect)) {
        // Before the grant can be in use: without a rid, where the device was seen is all that
        // tells it from a new one.
        note_place(*talk);
        progress(Step::kCheck, true);
        progress(Step::kIssue, false);
      } else if (const auto* network = std::get_if<enroll::NetworkTold>(&effect)) {
        told = network->state;
      } else if (const auto* enrolled = std::get_if<enroll::Enrolled>(&effect)) {
        progress(Step::kIssue, true);
        co_await talk->stream->shutdown();
        net::Endpoints at;
        if (talk->endpoint) {
          at.push_back(*talk->endpoint);
        }
        co_return Attempt{enrolled->grant, std::move(at)};
      } else if (const auto* failed = std::get_if<enroll::Failed>(&effect)) {
        co_return fail(failed->error);
      }
    }
    if (told) {
      effects = co_await on_network_told(talk.get(), *told);
      if (!effects.empty()) {
        continue;
      }
    }
    const auto got =
        co_await talk->stream->read_some(buffer, deadline_of(session.deadline(), stall()));
    if (!got || *got == 0) {
      co_return fail(got ? hung_up() : why_lost(*talk->stream, got.error()));
    }
    effects = session.on_bytes(context_->clock.mono_now(), ByteSpan(buffer).first(*got));
  }
}

void Pairing::note_place(const Talk& talk) {
  if (!talk.endpoint) {
    return;
  }
  for (const grant::AgentGrant& moved : context_->desk.seen_at(
           talk.needed->device, talk.endpoint->address().to_string(), talk.endpoint->port())) {
    context_->changed(moved);
  }
}

net::Task<std::vector<enroll::AgentEffect>> Pairing::on_network_told(Talk* talk,
                                                                     wire::NetworkState state) {
  std::optional<wire::NetworkCredentials> network;
  const bool over =
      state == wire::NetworkState::kJoined || state == wire::NetworkState::kUnsupported;
  if (!over && talk->networks < enroll::kMaxNetworks) {
    // Nobody is to type a password for a device that has gone.
    if (auto* link = dynamic_cast<net::GattStream*>(talk->stream.get())) {
      link->on_end([weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
          self->network_ready_.cancel();
        }
      });
    }
    network = co_await typed_network(state != wire::NetworkState::kWanted);
  }
  if (network) {
    ++talk->networks;
  } else {
    progress(Step::kIssue, false);
  }
  co_return talk->session->on_network(context_->clock.mono_now(), std::move(network));
}

net::Task<std::optional<wire::NetworkCredentials>> Pairing::typed_network(bool refused) {
  network_wanted_ = true;
  network_.reset();
  client_.event(
      wire::kPairNetworkWanted,
      {{"session", start_.session}, {"trouble", refused ? json(wire::kRefused) : json(nullptr)}});
  network_ready_.expires_after(kNetworkTypingTime);
  (void)co_await network_ready_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  network_wanted_ = false;
  co_return std::exchange(network_, std::nullopt);
}

bool Pairing::give_network(std::optional<wire::NetworkCredentials> wifi) {
  if (!std::exchange(network_wanted_, false)) {
    return false;
  }
  network_ = std::move(wifi);
  network_ready_.cancel();
  return true;
}

std::chrono::milliseconds Pairing::stall() const {
  return start_.nearby ? kStallNearby : kStall;
}

}  // namespace latchkey::agentd
