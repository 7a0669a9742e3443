// What can go wrong between the device and an identity provider.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace latchkey::oidc {

enum class ErrorCode {
  kMalformed,      // a document, an answer or a token is not what it should be (provider's fault)
  kUnsupported,    // well formed, but asks for something we do not do
  kBadSignature,   // nobody we know signed it
  kForeignToken,   // signed, but for somebody else, or for another sign-in
  kOutOfTime,      // expired, or from the future
  kMixUp,          // the answer comes from another provider than was asked
  kUnknownFlow,    // no such sign-in is under way in this session, or not any more
  kRefused,        // the provider said no; `detail` is its code, such as "login_required"
  kUnreachable,    // the provider did not answer in time
  kNotAllowed,     // signed in, but the device's policy does not let this person in
  kUnknownIssuer,  // the device does not take this provider's word
  kBadRequest,     // what the page asks for is not possible
  kBusy,           // too much of it is under way
  kNotSignedIn,
};
// "malformed" ...: what a page is told.
std::string_view name_of(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kMalformed;
  std::string detail;  // for logs; never a token, a code or a secret
};

template <class T>
using Result = latchkey::Result<T, Error>;

inline tl::unexpected<Error> refuse(ErrorCode code, std::string detail) {
  return fail(Error{code, std::move(detail)});
}

}  // namespace latchkey::oidc
