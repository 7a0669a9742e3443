#include "wire/fields.h"

namespace latchkey::wire {

using nlohmann::json;

std::string_view name_of(CodeKind kind) {
  return kind == CodeKind::kDigits8 ? "digits8" : "key128";
}

Result<json> open_body(ByteSpan bytes) {
  return decode_cbor(bytes);
}

Result<json> open_message(ByteSpan bytes, std::string_view type) {
  auto map = decode_cbor(bytes);
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  const std::string actual = fields.text(kType, 16);
  if (fields.ok() && actual == "error") {
    const auto code = error_code_from(fields.text("code", 32));
    std::string text = fields.text("msg", 200);
    return fail(Error{code.value_or(ErrorCode::kInternal), std::move(text), true});
  }
  if (!fields.ok() || actual != type) {
    return malformed("expected a message of type " + std::string(type));
  }
  return map;
}

Bytes encode(const AgentHello& hello) {
  return encode_cbor({{kType, "hello"},
                      {"v", kVersion},
                      {"suites", json::array({kSuite})},
                      {"nonce", binary(hello.nonce)}});
}

template <>
Result<AgentHello> decode<AgentHello>(ByteSpan bytes) {
  const auto map = open_message(bytes, "hello");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  if (fields.number("v", 0, UINT64_MAX) != kVersion && fields.ok()) {
    return fail(Error{ErrorCode::kUnsupported, "another version of the protocol"});
  }
  const json* suites = fields.find("suites");
  fields.require(suites != nullptr && suites->is_array() && suites->size() <= 16);
  AgentHello hello{fields.array<32>("nonce")};
  bool found = false;
  if (fields.ok()) {
    for (const auto& suite : *suites) {
      fields.require(suite.is_string());
      found = found || suite == json(kSuite);
    }
  }
  if (!fields.ok()) {
    return malformed("hello");
  }
  if (!found) {
    return fail(Error{ErrorCode::kUnsupported, "no pairing suite in common"});
  }
  return hello;
}

Bytes encode(const DeviceHello& hello) {
  return encode_cbor(
      {{kType, "hello"},
       {"v", kVersion},
       {"suite", kSuite},
       {"nonce", binary(hello.nonce)},
       {"id", binary(hello.id.span())},
       {"kdf", {{"alg", kPbkdf2}, {"salt", binary(hello.salt)}, {"iter", hello.iterations}}},
       {"code", name_of(hello.code)},
       {"left", hello.attempts_left}});
}

template <>
Result<DeviceHello> decode<DeviceHello>(ByteSpan bytes) {
  const auto map = open_message(bytes, "hello");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  const auto version = fields.number("v", 0, UINT64_MAX);
  const std::string suite = fields.text("suite", 32);
  const json* kdf = fields.find("kdf");
  fields.require(kdf != nullptr && kdf->is_object());
  if (!fields.ok()) {
    return malformed("hello");
  }
  FieldReader kdf_fields(*kdf);
  const std::string algorithm = kdf_fields.text("alg", 32);
  const std::string code = fields.text("code", 16);
  const bool digits = code == name_of(CodeKind::kDigits8);
  // The agent chose nothing but one suite: another answer is a downgrade (threats.md row 32).
  if (version != kVersion || suite != kSuite || algorithm != kPbkdf2 ||
      (!digits && code != name_of(CodeKind::kKey128))) {
    return fail(Error{ErrorCode::kUnsupported, "the device wants another version, suite or code"});
  }
  DeviceHello hello{
      .nonce = fields.array<32>("nonce"),
      .id = DeviceId(fields.array<32>("id")),
      .salt = kdf_fields.bytes("salt", 16, 32),
      .iterations = static_cast<std::uint32_t>(kdf_fields.number("iter", 10000, 200000)),
      .code = digits ? CodeKind::kDigits8 : CodeKind::kKey128,
      .attempts_left = static_cast<std::uint32_t>(fields.number("left", 0, 100))};
  if (!fields.ok() || !kdf_fields.ok()) {
    return malformed("hello");
  }
  return hello;
}

Bytes encode(const AgentShare& share) {
  return encode_cbor({{kType, "share"}, {"p", binary(share.p)}});
}

template <>
Result<AgentShare> decode<AgentShare>(ByteSpan bytes) {
  const auto map = open_message(bytes, "share");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  AgentShare share{fields.array<65>("p")};
  return fields.ok() ? Result<AgentShare>(share) : malformed("share");
}

Bytes encode(const DeviceShare& share) {
  return encode_cbor({{kType, "share"}, {"v", binary(share.v)}, {"c", binary(share.confirm)}});
}

template <>
Result<DeviceShare> decode<DeviceShare>(ByteSpan bytes) {
  const auto map = open_message(bytes, "share");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  DeviceShare share{fields.array<65>("v"), fields.array<32>("c")};
  return fields.ok() ? Result<DeviceShare>(share) : malformed("share");
}

Bytes encode(const AgentConfirm& confirm) {
  return encode_cbor({{kType, "confirm"}, {"c", binary(confirm.confirm)}});
}

template <>
Result<AgentConfirm> decode<AgentConfirm>(ByteSpan bytes) {
  const auto map = open_message(bytes, "confirm");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  AgentConfirm confirm{fields.array<32>("c")};
  return fields.ok() ? Result<AgentConfirm>(confirm) : malformed("confirm");
}

Bytes encode(const ErrorMessage& error) {
  return encode_cbor({{kType, "error"}, {"code", name_of(error.code)}, {"msg", error.text}});
}

template <>
Result<ErrorMessage> decode<ErrorMessage>(ByteSpan bytes) {
  const auto map = open_message(bytes, "error");
  // open_message hands every "error" back as one.
  if (!map && map.error().from_peer) {
    return ErrorMessage{map.error().code, map.error().detail};
  }
  return malformed("expected an error");
}

ErrorMessage error_message(const Error& error) {
  // The detail is ours: the peer learns the code.
  return {error.code, std::string(name_of(error.code))};
}

}  // namespace latchkey::wire
