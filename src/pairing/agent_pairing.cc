#include <utility>

#include "crypto/hash.h"
#include "pairing/exchange.h"
#include "pairing/session.h"

namespace latchkey::pairing {

using wire::ErrorCode;

Bytes pairing_context(const Hellos& hellos, const Digest256& channel_binding) {
  Bytes context = to_bytes(as_bytes("latchkey-pair-v1"));
  append(context, crypto::sha256({hellos.agent, hellos.device}));
  append(context, channel_binding);
  return context;
}

Context named_context(ByteSpan context) {
  return {context, as_bytes("latchkey-agent"), as_bytes("latchkey-device")};
}

Digest256 transcript_hash(const Hellos& hellos, ByteSpan share_p, ByteSpan share_v) {
  return crypto::sha256({hellos.agent, hellos.device, share_p, share_v});
}

Established establish(const SecretBytes& shared, const Digest256& transcript, Role role) {
  const auto key = [&](std::string_view info) {
    return crypto::CounterAead(crypto::hkdf_sha256(shared.span(), transcript, as_bytes(info), 32));
  };
  auto to_device = key("latchkey a2d");
  auto to_agent = key("latchkey d2a");
  if (role == Role::kAgent) {
    return {std::move(to_device), std::move(to_agent), transcript};
  }
  return {std::move(to_agent), std::move(to_device), transcript};
}

AgentPairing::AgentPairing(Random& random, const Digest256& channel_binding,
                           std::optional<DeviceId> tls_key, std::optional<DeviceId> expected)
    : random_(random), channel_binding_(channel_binding), tls_key_(tls_key), expected_(expected) {}

Bytes AgentPairing::start() {
  LATCHKEY_CHECK(state_ == State::kStart);
  state_ = State::kHello;
  hello_ = wire::encode(wire::AgentHello{random_.bytes<32>()});
  return hello_;
}

wire::Result<std::variant<CodeNeeded, AgentPairing::Reply>> AgentPairing::on_message(
    ByteSpan payload) {
  if (state_ == State::kHello) {
    auto needed = on_hello(payload);
    if (needed) {
      return std::move(*needed);
    }
    state_ = State::kDone;
    return fail(needed.error());
  }
  if (state_ == State::kShare) {
    auto reply = on_share(payload);
    state_ = State::kDone;
    if (reply) {
      return std::move(*reply);
    }
    return fail(reply.error());
  }
  // The device may end it while the person is still typing.
  const bool waiting = state_ == State::kCode;
  state_ = State::kDone;
  if (const auto error = wire::decode<wire::ErrorMessage>(payload); waiting && error) {
    return fail(wire::Error{error->code, error->text, true});
  }
  return fail(wire::Error{ErrorCode::kMalformed, "a message that nobody waited for"});
}

wire::Result<CodeNeeded> AgentPairing::on_hello(ByteSpan payload) {
  const auto hello = wire::decode<wire::DeviceHello>(payload);
  if (!hello) {
    return fail(hello.error());
  }
  if (tls_key_ && hello->id != *tls_key_) {
    return fail(wire::Error{ErrorCode::kMalformed, "the device's id is not the key it showed"});
  }
  if (expected_ && hello->id != *expected_) {
    return fail(wire::Error{ErrorCode::kUnreachable, "another device than the code's"});
  }
  device_hello_ = to_bytes(payload);
  state_ = State::kCode;
  return CodeNeeded{hello->id, hello->code, hello->attempts_left, hello->salt, hello->iterations};
}

Bytes AgentPairing::on_password_key(PasswordKey key) {
  LATCHKEY_CHECK(state_ == State::kCode);
  state_ = State::kShare;
  prover_.emplace(std::move(key), random_);
  wire::AgentShare share;
  std::copy(prover_->share().begin(), prover_->share().end(), share.p.begin());
  return wire::encode(share);
}

wire::Result<AgentPairing::Reply> AgentPairing::on_share(ByteSpan payload) {
  const auto share = wire::decode<wire::DeviceShare>(payload);
  if (!share) {
    return fail(share.error());
  }
  const Hellos hellos{hello_, device_hello_};
  const Bytes context = pairing_context(hellos, channel_binding_);
  const auto keys = prover_->finish(share->v, named_context(context));
  if (!keys) {
    return fail(keys.error());
  }
  if (!constant_time_equal(keys->confirm_v.span(), share->confirm)) {
    return fail(wire::Error{ErrorCode::kWrongCode, "the device's confirmation does not match"});
  }
  wire::AgentConfirm confirm;
  std::copy(keys->confirm_p.span().begin(), keys->confirm_p.span().end(), confirm.confirm.begin());
  const Digest256 th = transcript_hash(hellos, prover_->share(), share->v);
  prover_.reset();
  return Reply{wire::encode(confirm), establish(keys->shared, th, Role::kAgent)};
}

}  // namespace latchkey::pairing
