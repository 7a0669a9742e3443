#include <utility>

#include "enroll/frames.h"
#include "enroll/session.h"

namespace latchkey::enroll {
namespace {

using wire::ErrorCode;

constexpr std::chrono::milliseconds kStepTime = std::chrono::seconds(30);
// For the device to say what became of a network: a little longer than it may take.
constexpr std::chrono::milliseconds kNetworkReplyTime = kNetworkTime + std::chrono::seconds(10);

}  // namespace

AgentSession::AgentSession(AgentDesk& desk, Random& random, const Digest256& channel_binding,
                           std::optional<DeviceId> tls_key, std::optional<DeviceId> expected)
    : desk_(desk), pairing_(random, channel_binding, tls_key, expected) {}

std::vector<AgentEffect> AgentSession::start(MonoTime now) {
  deadline_ = now + kStepTime;
  std::vector<AgentEffect> out;
  out.emplace_back(SendBytes{wire::encode_frame(pairing_.start())});
  return out;
}

std::vector<AgentEffect> AgentSession::on_bytes(MonoTime now, ByteSpan bytes) {
  std::vector<AgentEffect> out;
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
    deadline_ = now + kStepTime;
    on_payload(*payload, out);
  }
  if (state_ == State::kNetwork && !asks_) {
    deadline_ = now + kNetworkReplyTime;
  }
  if (state_ == State::kEnded || state_ == State::kNetworkChoice || pairing_.waits_for_code()) {
    deadline_.reset();
  }
  return out;
}

std::vector<AgentEffect> AgentSession::on_password_key(MonoTime now, pairing::PasswordKey key) {
  std::vector<AgentEffect> out;
  if (state_ != State::kPairing || !pairing_.waits_for_code()) {
    return out;  // the device went away meanwhile
  }
  deadline_ = now + kStepTime;
  out.emplace_back(SendBytes{wire::encode_frame(pairing_.on_password_key(std::move(key)))});
  return out;
}

std::vector<AgentEffect> AgentSession::on_network(MonoTime now,
                                                  std::optional<wire::NetworkCredentials> network) {
  std::vector<AgentEffect> out;
  if (state_ != State::kNetworkChoice) {
    return out;  // the device went away meanwhile
  }
  deadline_ = now + (network ? kNetworkReplyTime : kStepTime);
  network_ = std::move(network);
  if (network_) {
    tell_network(out);
  } else {
    send_offer(out);
  }
  return out;
}

std::vector<AgentEffect> AgentSession::on_time(MonoTime now) {
  std::vector<AgentEffect> out;
  if (deadline_ && now >= *deadline_) {
    end({ErrorCode::kUnreachable, "the device did not answer in time"}, out);
  }
  return out;
}

void AgentSession::on_payload(ByteSpan payload, std::vector<AgentEffect>& out) {
  if (state_ == State::kPairing) {
    auto result = pairing_.on_message(payload);
    if (!result) {
      end(result.error(), out);
    } else if (auto* needed = std::get_if<CodeNeeded>(&*result)) {
      device_ = needed->device;
      out.emplace_back(std::move(*needed));
    } else {
      on_established(std::move(std::get<pairing::AgentPairing::Reply>(*result)), out);
    }
    return;
  }
  const auto plaintext = channel_->receive.open(payload);
  if (!plaintext) {
    end({ErrorCode::kMalformed, "a frame does not open"}, out);
  } else if (state_ == State::kNetwork) {
    on_network_reply(plaintext->span(), out);
  } else if (state_ == State::kNetworkChoice) {
    // Nothing is awaited; but it may say that it ends.
    auto said = wire::decode<wire::NetworkReply>(plaintext->span());
    end(said ? wire::Error{ErrorCode::kMalformed, "an answer that nobody asked for"} : said.error(),
        out);
  } else if (state_ == State::kCsr) {
    on_csr(plaintext->span(), out);
  } else {
    on_done(plaintext->span(), out);
  }
}

void AgentSession::on_established(pairing::AgentPairing::Reply reply,
                                  std::vector<AgentEffect>& out) {
  out.emplace_back(SendBytes{wire::encode_frame(reply.send)});
  out.emplace_back(Paired{});
  channel_ = std::move(reply.channel);
  if (network_) {
    tell_network(out);
  } else if (asks_) {
    query_network(out);
  } else {
    send_offer(out);
  }
}

void AgentSession::query_network(std::vector<AgentEffect>& out) {
  state_ = State::kNetwork;
  send_sealed(wire::encode_network_query(), out);
}

void AgentSession::tell_network(std::vector<AgentEffect>& out) {
  state_ = State::kNetwork;
  asks_ = false;
  send_sealed(wire::encode(*network_).span(), out);
  network_.reset();
}

void AgentSession::on_network_reply(ByteSpan plaintext, std::vector<AgentEffect>& out) {
  const auto reply = wire::decode<wire::NetworkReply>(plaintext);
  if (!reply) {
    end(reply.error(), out);
    return;
  }
  const bool wanted = reply->state == wire::NetworkState::kWanted;
  const bool query = std::exchange(asks_, false);
  if (query ? !wanted && reply->state != wire::NetworkState::kUnsupported : wanted) {
    end({ErrorCode::kMalformed, "an answer to something else"}, out);
    return;
  }
  out.emplace_back(NetworkTold{reply->state});
  if (reply->state == wire::NetworkState::kJoined ||
      reply->state == wire::NetworkState::kUnsupported) {
    send_offer(out);
  } else {
    state_ = State::kNetworkChoice;
  }
}

void AgentSession::send_offer(std::vector<AgentEffect>& out) {
  auto planned = desk_.plan(*device_);
  if (!planned) {
    end(planned.error(), out);
    return;
  }
  planned_ = std::move(*planned);
  state_ = State::kCsr;
  offer_ = wire::encode(planned_->offer);
  send_sealed(offer_, out);
}

void AgentSession::on_csr(ByteSpan plaintext, std::vector<AgentEffect>& out) {
  const auto message = wire::decode<wire::CsrMessage>(plaintext);
  if (!message) {
    end(message.error(), out);
    return;
  }
  // The offer's time is the desk's, from a moment ago: the device answers within kStepTime.
  const auto accepted = check_csr_message(*message, offer_, channel_->transcript, *device_,
                                          planned_->type, planned_->forbidden, planned_->offer.now);
  if (!accepted) {
    end(accepted.error(), out);
    return;
  }
  const auto cert = desk_.issue(planned_->offer.grant, *message, *accepted);
  if (!cert) {
    end(cert.error(), out);
    return;
  }
  state_ = State::kDone;
  send_sealed(wire::encode(*cert), out);
}

void AgentSession::on_done(ByteSpan plaintext, std::vector<AgentEffect>& out) {
  const auto done = wire::decode<wire::DoneMessage>(plaintext);
  if (!done) {
    end(done.error(), out);
    return;
  }
  if (auto stored = desk_.installed(planned_->offer.grant, done->port); !stored) {
    end(stored.error(), out);
    return;
  }
  state_ = State::kEnded;
  out.emplace_back(Enrolled{planned_->offer.grant, done->port});
}

void AgentSession::send_sealed(ByteSpan plaintext, std::vector<AgentEffect>& out) {
  out.emplace_back(SendBytes{sealed_frame(*channel_, plaintext)});
}

void AgentSession::end(wire::Error error, std::vector<AgentEffect>& out) {
  if (auto farewell = farewell_frame(channel_, error)) {
    out.emplace_back(SendBytes{std::move(*farewell)});
  }
  state_ = State::kEnded;
  deadline_.reset();
  out.emplace_back(Failed{std::move(error)});
}

}  // namespace latchkey::enroll
