// A session with a PKCS#11 token (version 2.40): the module is loaded and called directly. Internal
// to src/platform. One thread. Several at a time may use one module.
#pragma once

#include <p11-kit/pkcs11.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/error.h"

namespace latchkey::platform {

struct TokenPlace {
  std::filesystem::path module;
  std::string token;  // its label
  std::filesystem::path pin_file;
};

// "0x0a0": what a module answered.
std::string number_of(CK_RV rv);

class TokenSession {
 public:
  // Only loads the module. kMissing, kMisuse.
  static Result<std::unique_ptr<TokenSession>, Error> load(TokenPlace where);
  TokenSession(const TokenSession&) = delete;
  TokenSession& operator=(const TokenSession&) = delete;
  ~TokenSession();

  // From scratch: finds the token and logs in. A PIN that was refused is never tried again.
  Result<void, Error> open();
  void close();
  [[nodiscard]] bool is_open() const { return session_.has_value(); }
  // Two at most, which is enough to see that there are too many.
  [[nodiscard]] std::vector<CK_OBJECT_HANDLE> find(CK_OBJECT_CLASS kind, CK_KEY_TYPE type,
                                                   std::string label) const;

  [[nodiscard]] const TokenPlace& where() const { return where_; }
  [[nodiscard]] CK_FUNCTION_LIST& call() const { return *call_; }
  [[nodiscard]] CK_SESSION_HANDLE handle() const { return *session_; }  // while it is open

 private:
  explicit TokenSession(TokenPlace where) : where_(std::move(where)) {}
  [[nodiscard]] Result<CK_SLOT_ID, Error> find_slot() const;
  Result<void, Error> log_in();

  TokenPlace where_;
  void* library_ = nullptr;
  CK_FUNCTION_LIST* call_ = nullptr;
  bool initialized_ = false;
  bool pin_refused_ = false;
  std::optional<CK_SESSION_HANDLE> session_;
};

}  // namespace latchkey::platform
