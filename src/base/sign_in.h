// With whom a web service wants people to sign in at a device (docs/protocol.md section 4).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/origin.h"

namespace latchkey {

// An issuer of OpenID Connect: a web origin and a path, exactly as the provider writes it (with or
// without a slash at the end: whoever compares texts compares issuers). At most kMaxSize bytes. The
// path: letters, digits and "-._~:@!$&'()*+,;=/", no empty or dotted parts within it. No
// percent-encoding, query, fragment or user: what is shown to a person is what is meant.
class Issuer {
 public:
  static constexpr std::size_t kMaxSize = 512;
  static std::optional<Issuer> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const { return text_; }
  friend bool operator==(const Issuer& a, const Issuer& b) { return a.text_ == b.text_; }

 private:
  explicit Issuer(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// What a web service named and a person agreed to.
struct SignInOffer {
  static constexpr std::size_t kMaxClient = 255;
  Issuer issuer;
  // What the provider knows the web service as; empty: the device makes itself known there.
  std::string client;

  // `client`: empty, or at most kMaxClient visible ASCII characters.
  static std::optional<SignInOffer> make(std::string_view issuer, std::string_view client);
  friend bool operator==(const SignInOffer&, const SignInOffer&) = default;
};

}  // namespace latchkey
