#include <utility>

#include "pairing/exchange.h"
#include "pairing/session.h"

namespace latchkey::pairing {

using wire::ErrorCode;

DevicePairing::DevicePairing(PairingWindow& window, Random& random,
                             const Digest256& channel_binding, const DeviceId& self)
    : window_(window), random_(random), channel_binding_(channel_binding), self_(self) {}

DevicePairing::~DevicePairing() {
  if (spent_) {
    window_.lose(generation_, last_seen_);
  }
}

wire::Result<DevicePairing::Reply> DevicePairing::on_message(ByteSpan payload, MonoTime now) {
  last_seen_ = now;
  auto reply = [&]() -> wire::Result<Reply> {
    switch (state_) {
      case State::kHello:
        return on_hello(payload, now);
      case State::kShare:
        return on_share(payload, now);
      case State::kConfirm:
        return on_confirm(payload, now);
      case State::kDone:
        break;
    }
    return fail(wire::Error{ErrorCode::kMalformed, "a message that nobody waited for"});
  }();
  if (!reply) {
    state_ = State::kDone;
    deadline_.reset();
    if (std::exchange(spent_, false)) {
      window_.lose(generation_, now);
    }
  }
  return reply;
}

wire::Result<DevicePairing::Reply> DevicePairing::on_hello(ByteSpan payload, MonoTime now) {
  const auto hello = wire::decode<wire::AgentHello>(payload);
  if (!hello) {
    return fail(hello.error());
  }
  const auto* secret = window_.secret(now);
  if (secret == nullptr) {
    return fail(wire::Error{ErrorCode::kWindowClosed, "the pairing window is closed"});
  }
  generation_ = window_.generation();
  // The session keeps the code it named in its hello: a window opened meanwhile has another one.
  verifier_ = secret->verifier.clone();
  agent_hello_ = to_bytes(payload);
  hello_ = wire::encode(wire::DeviceHello{
      .nonce = random_.bytes<32>(),
      .id = self_,
      .salt = secret->salt,
      .iterations = secret->iterations,
      .code = secret->kind,
      .attempts_left = secret->kind == wire::CodeKind::kDigits8 ? window_.attempts_left() : 0});
  state_ = State::kShare;
  return Reply{hello_, std::nullopt};
}

wire::Result<DevicePairing::Reply> DevicePairing::on_share(ByteSpan payload, MonoTime now) {
  const auto share = wire::decode<wire::AgentShare>(payload);
  if (!share) {
    return fail(share.error());
  }
  const Hellos hellos{agent_hello_, hello_};
  const Bytes context = pairing_context(hellos, channel_binding_);
  Spake2Verifier verifier(std::move(*verifier_), random_);
  verifier_.reset();
  auto keys = verifier.finish(share->p, named_context(context));
  if (!keys) {
    return fail(keys.error());
  }
  // The next message tells the agent whether its guess was right: it is paid for first, durably.
  if (auto spent = window_.spend(generation_, now); !spent) {
    return fail(spent.error());
  }
  spent_ = true;
  deadline_ = now + kConfirmTime;
  transcript_ = transcript_hash(hellos, share->p, verifier.share());
  wire::DeviceShare answer;
  std::copy(verifier.share().begin(), verifier.share().end(), answer.v.begin());
  std::copy(keys->confirm_v.span().begin(), keys->confirm_v.span().end(), answer.confirm.begin());
  keys_ = std::move(*keys);
  state_ = State::kConfirm;
  return Reply{wire::encode(answer), std::nullopt};
}

wire::Result<DevicePairing::Reply> DevicePairing::on_confirm(ByteSpan payload, MonoTime now) {
  // Closing the window, or a code that replaced this one, ends what was not confirmed.
  if (!window_.is_open(now) || window_.generation() != generation_ || now >= *deadline_) {
    return fail(wire::Error{ErrorCode::kWindowClosed, "the window closed before the confirmation"});
  }
  const auto confirm = wire::decode<wire::AgentConfirm>(payload);
  if (!confirm) {
    return fail(confirm.error());
  }
  if (!constant_time_equal(keys_->confirm_p.span(), confirm->confirm)) {
    return fail(wire::Error{ErrorCode::kWrongCode, "the agent's confirmation does not match"});
  }
  spent_ = false;
  deadline_.reset();
  window_.succeed(generation_, now);
  state_ = State::kDone;
  Reply reply{{}, establish(keys_->shared, transcript_, Role::kDevice)};
  keys_.reset();
  return reply;
}

}  // namespace latchkey::pairing
