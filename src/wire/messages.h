// The messages between agent and device (docs/protocol.md sections 3, 4 and 7), as values. decode
// functions are strict about the fields they know and ignore those they do not; every failure is
// kMalformed. encode functions cannot fail.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/host_name.h"
#include "base/ids.h"
#include "base/origin.h"
#include "base/sign_in.h"
#include "wire/error.h"

namespace latchkey::wire {

inline constexpr std::string_view kAlpnPair = "latchkey-pair/1";
inline constexpr std::string_view kAlpnManage = "latchkey-manage/1";
inline constexpr std::string_view kExporterPair = "EXPORTER-latchkey-pair-v1";
inline constexpr std::string_view kExporterManage = "EXPORTER-latchkey-manage-v1";

enum class CodeKind { kDigits8, kKey128 };
std::string_view name_of(CodeKind kind);  // "digits8", "key128"

// --- pairing (section 3) ---
struct AgentHello {
  ByteArray<32> nonce{};
};
struct DeviceHello {
  ByteArray<32> nonce{};
  DeviceId id;                        // SHA-256 of the bootstrap SPKI
  Bytes salt;                         // 16..32 bytes
  std::uint32_t iterations = 100000;  // 10000..200000
  CodeKind code = CodeKind::kDigits8;
  std::uint32_t attempts_left = 0;  // key128: 0 means not counted
};
struct AgentShare {
  ByteArray<65> p{};
};
struct DeviceShare {
  ByteArray<65> v{};
  Digest256 confirm{};
};
struct AgentConfirm {
  Digest256 confirm{};
};
struct ErrorMessage {
  ErrorCode code = ErrorCode::kInternal;
  std::string text;  // at most 200 bytes, English, for logs
};

// --- enrolment (section 4) ---
struct Offer {
  GrantId grant;
  std::optional<Origin> origin;
  HostName host;
  ByteArray<32> nonce{};
  Bytes agent_spki;   // management key
  Bytes ticket_spki;  // the grant's ticket key
  std::string sub;    // 22 characters base64url
  WallTime now;
  std::optional<SignInOffer> sso = std::nullopt;  // never of a direct grant
};
struct Attestation {
  std::string fmt = "none";  // or "packed"
  Bytes sig;
  std::vector<Bytes> x5c;
};
struct CsrMessage {
  Bytes csr;
  Bytes boot_spki;
  Bytes boot_signature;
  Attestation attestation;
  std::string name, type, model, firmware;
  ByteArray<32> discovery_key{};
};
struct CertMessage {
  GrantId grant;
  Bytes leaf;
  Bytes grant_ca;
  WallTime renew;
};
struct DoneMessage {
  std::uint16_t port = 0;
};
// --- management (section 7) ---
struct RenewRequest {
  GrantId grant;
};
struct RenewReply {
  Bytes csr;
  Bytes proof;  // by the current leaf key
  ByteArray<32> discovery_key{};
};
// With whom people sign in from now on, with a grant that there is already (POST /sso).
struct SignInRequest {
  GrantId grant;
  SignInOffer sso;
};

Bytes encode(const AgentHello&);
Bytes encode(const DeviceHello&);
Bytes encode(const AgentShare&);
Bytes encode(const DeviceShare&);
Bytes encode(const AgentConfirm&);
Bytes encode(const ErrorMessage&);
Bytes encode(const Offer&);
Bytes encode(const CsrMessage&);
Bytes encode(const CertMessage&);
Bytes encode(const DoneMessage&);
Bytes encode(const RenewRequest&);
Bytes encode(const RenewReply&);
Bytes encode(const SignInRequest&);

// decode<Offer>(bytes). An ErrorMessage where another message was expected comes back as an Error
// with from_peer set.
template <class Message>
Result<Message> decode(ByteSpan bytes);
template <>
Result<AgentHello> decode<AgentHello>(ByteSpan bytes);
template <>
Result<DeviceHello> decode<DeviceHello>(ByteSpan bytes);
template <>
Result<AgentShare> decode<AgentShare>(ByteSpan bytes);
template <>
Result<DeviceShare> decode<DeviceShare>(ByteSpan bytes);
template <>
Result<AgentConfirm> decode<AgentConfirm>(ByteSpan bytes);
template <>
Result<ErrorMessage> decode<ErrorMessage>(ByteSpan bytes);
template <>
Result<Offer> decode<Offer>(ByteSpan bytes);
template <>
Result<CsrMessage> decode<CsrMessage>(ByteSpan bytes);
template <>
Result<CertMessage> decode<CertMessage>(ByteSpan bytes);
template <>
Result<DoneMessage> decode<DoneMessage>(ByteSpan bytes);
template <>
Result<RenewRequest> decode<RenewRequest>(ByteSpan bytes);
template <>
Result<RenewReply> decode<RenewReply>(ByteSpan bytes);
template <>
Result<SignInRequest> decode<SignInRequest>(ByteSpan bytes);

// The protocol error for an Error of ours, to be sent.
ErrorMessage error_message(const Error& error);

}  // namespace latchkey::wire
