#include "device/window_opener.h"

#include <memory>

namespace latchkey::device {

namespace {

constexpr std::uint32_t kIterations = 100000;
constexpr std::chrono::milliseconds kDeriveTime = std::chrono::seconds(10);

tl::unexpected<wire::Error> refuse(wire::ErrorCode code, std::string detail) {
  return fail(wire::Error{code, std::move(detail), false});
}

}  // namespace

Result<pairing::PairingCode, wire::Error> WindowOpener::make_code(wire::CodeKind kind) {
  if (kind == wire::CodeKind::kDigits8) {
    return pairing::PairingCode::make(kind, device_.random());
  }
  // The long key belongs on a label: it stays the same until a factory reset.
  const auto stored = device_.store().label_key();
  if (stored && *stored) {
    if (auto code = pairing::PairingCode::parse(as_text((*stored)->span()), kind)) {
      return *std::move(code);
    }
  }
  auto code = pairing::PairingCode::make(kind, device_.random());
  if (!stored || !device_.store().set_label_key(SecretBytes::copy_of(code.canonical()))) {
    return refuse(wire::ErrorCode::kInternal, "the key could not be stored");
  }
  return code;
}

net::Task<wire::Result<pairing::PairingCode>> WindowOpener::open(
    wire::CodeKind kind, std::chrono::minutes length, std::optional<grant::GrantKey> from) {
  auto code = make_code(kind);
  if (!code) {
    co_return fail(code.error());
  }
  const auto salt = device_.random().bytes<16>();
  // The work has a name because g++ 12 destroys a closure that is a temporary of co_await twice.
  const auto shared = std::make_shared<pairing::PairingCode>(code->clone());
  auto derive = [shared, salt] {
    return std::make_shared<pairing::Verifier>(
        pairing::verifier_for(pairing::derive_password_key(*shared, salt, kIterations)));
  };
  const auto verifier = co_await worker_.run(executor_, net::after(kDeriveTime), std::move(derive));
  if (!verifier) {
    co_return refuse(wire::ErrorCode::kInternal, "the device is too busy");
  }
  // What was judged before the work may have changed during it.
  if (from && (device_.window_is_open() || !device_.is_live(*from))) {
    co_return refuse(wire::ErrorCode::kLocked, "something else came first");
  }
  pairing::PairingWindow::Secret secret{kind, to_bytes(salt), kIterations, std::move(**verifier)};
  const auto by = from ? std::optional(from->agent) : std::nullopt;
  if (auto opened = device_.open_window(std::move(secret), length, by); !opened) {
    co_return fail(std::move(opened).error());
  }
  co_return *std::move(code);
}

}  // namespace latchkey::device
