#include <utility>

#include "enroll/frames.h"
#include "enroll/session.h"

namespace latchkey::enroll {
namespace {

using wire::ErrorCode;

constexpr std::chrono::milliseconds kStepTime = std::chrono::seconds(30);

}  // namespace

DeviceSession::DeviceSession(pairing::PairingWindow& window, DeviceLedger& ledger,
                             const DeviceIdentity& identity, Random& random,
                             const Digest256& channel_binding, MonoTime now)
    : window_(window),
      enrollment_(ledger, identity),
      pairing_(window, random, channel_binding,
               DeviceId(identity.boot_key.public_key().spki_hash().bytes())),
      deadline_(now + kStepTime) {}

std::optional<MonoTime> DeviceSession::deadline() const {
  if (state_ == State::kEnded) {
    return std::nullopt;
  }
  const auto confirm = pairing_.deadline();
  if (confirm && deadline_) {
    return std::min(*confirm, *deadline_);
  }
  return confirm ? confirm : deadline_;
}

std::vector<DeviceEffect> DeviceSession::on_bytes(MonoTime now, WallTime wall_now, ByteSpan bytes) {
  std::vector<DeviceEffect> out;
  if (state_ == State::kEnded) {
    return out;
  }
  if (auto pushed = frames_.push(bytes); !pushed) {
    end(pushed.error(), out);
    return out;
  }
  while (state_ != State::kEnded) {
    const auto payload = frames_.next();
    if (!payload) {
      break;
    }
    on_payload(now, wall_now, *payload, out);
  }
  return out;
}

std::vector<DeviceEffect> DeviceSession::on_time(MonoTime now) {
  std::vector<DeviceEffect> out;
  const auto due = deadline();
  if (due && now >= *due) {
    end({ErrorCode::kCancelled, "the agent did not go on in time"}, out);
  }
  return out;
}

void DeviceSession::on_payload(MonoTime now, WallTime wall_now, ByteSpan payload,
                               std::vector<DeviceEffect>& out) {
  if (state_ == State::kPairing) {
    auto reply = pairing_.on_message(payload, now);
    if (!reply) {
      end(reply.error(), out);
      return;
    }
    if (!reply->send.empty()) {
      out.emplace_back(SendBytes{wire::encode_frame(reply->send)});
      // A person types the code now: the window's end bounds that.
      deadline_ = window_.deadline();
    }
    if (reply->channel) {
      channel_ = std::move(reply->channel);
      state_ = State::kOffer;
      deadline_ = now + kStepTime;
      out.emplace_back(Paired{});
    }
    return;
  }
  const auto plaintext = channel_->receive.open(payload);
  if (!plaintext) {
    end({ErrorCode::kMalformed, "a frame does not open"}, out);
    return;
  }
  deadline_ = now + kStepTime;
  on_plaintext(now, wall_now, plaintext->span(), out);
}

std::vector<DeviceEffect> DeviceSession::on_network(MonoTime now, wire::NetworkState state) {
  std::vector<DeviceEffect> out;
  if (state_ != State::kNetwork) {
    return out;
  }
  state_ = State::kOffer;
  deadline_ = now + (state == wire::NetworkState::kJoined ? kStepTime : kRetryTime);
  send_sealed(wire::encode(wire::NetworkReply{state}), out);
  return out;
}

void DeviceSession::on_network_query(MonoTime now, std::vector<DeviceEffect>& out) {
  if (std::exchange(queried_, true) || networks_ > 0) {
    end({ErrorCode::kMalformed, "a query that comes too late"}, out);
    return;
  }
  deadline_ = now + (takes_networks_ ? kRetryTime : kStepTime);
  const auto state =
      takes_networks_ ? wire::NetworkState::kWanted : wire::NetworkState::kUnsupported;
  send_sealed(wire::encode(wire::NetworkReply{state}), out);
}

bool DeviceSession::on_network_message(MonoTime now, ByteSpan plaintext,
                                       std::vector<DeviceEffect>& out) {
  auto network = wire::read_network(plaintext);
  if (network && !*network) {
    return false;
  }
  if (!network) {
    end(network.error(), out);
  } else if (++networks_ > kMaxNetworks) {
    end({ErrorCode::kLocked, "too many networks"}, out);
  } else if (!takes_networks_) {
    send_sealed(wire::encode(wire::NetworkReply{wire::NetworkState::kUnsupported}), out);
  } else {
    state_ = State::kNetwork;
    deadline_ = now + kNetworkTime;
    out.emplace_back(NetworkGiven{**std::move(network)});
  }
  return true;
}

void DeviceSession::on_plaintext(MonoTime now, WallTime wall_now, ByteSpan plaintext,
                                 std::vector<DeviceEffect>& out) {
  if (state_ == State::kNetwork) {
    end({ErrorCode::kMalformed, "something else while a network is joined"}, out);
    return;
  }
  if (state_ == State::kOffer) {
    if (wire::is_network_query(plaintext)) {
      on_network_query(now, out);
      return;
    }
    if (on_network_message(now, plaintext, out)) {
      return;
    }
    const auto reply =
        enrollment_.on_offer(plaintext, channel_->transcript, std::nullopt, wall_now);
    if (!reply) {
      end(reply.error(), out);
      return;
    }
    const auto offer = wire::decode<wire::Offer>(plaintext);
    const auto agent = crypto::PublicKey::from_spki(offer->agent_spki);
    agent_ = agent->spki_hash();
    agent_time_ = offer->now;
    state_ = State::kCertificate;
    send_sealed(wire::encode(*reply), out);
    return;
  }
  const auto done = enrollment_.on_certificate(plaintext, *agent_, agent_time_);
  if (!done) {
    end(done.error(), out);
    return;
  }
  const auto cert = wire::decode<wire::CertMessage>(plaintext);
  send_sealed(wire::encode(*done), out);
  out.emplace_back(Installed{*agent_, cert->grant, agent_time_});
  state_ = State::kEnded;
}

void DeviceSession::send_sealed(ByteSpan plaintext, std::vector<DeviceEffect>& out) {
  out.emplace_back(SendBytes{sealed_frame(*channel_, plaintext)});
}

void DeviceSession::end(wire::Error error, std::vector<DeviceEffect>& out) {
  if (auto farewell = farewell_frame(channel_, error)) {
    out.emplace_back(SendBytes{std::move(*farewell)});
  }
  state_ = State::kEnded;
  deadline_.reset();
  out.emplace_back(Failed{std::move(error)});
}

}  // namespace latchkey::enroll
