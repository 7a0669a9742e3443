// What is behind the device: a plain HTTP service, or a folder.
#pragma once

#include <memory>
#include <string>

#include "device/caller.h"
#include "device/device.h"
#include "front/desk.h"

namespace latchkey::device {

// One request on its way through.
struct Exchange {
  Caller& client;
  front::Pass pass;
  std::shared_ptr<const LiveGrant> grant;
};

class Backend {
 public:
  virtual ~Backend() = default;
  // Answers, or cuts the answer off.
  virtual net::Task<void> serve(Exchange exchange) = 0;
  // Whether a person who opens `/` finds something.
  [[nodiscard]] virtual bool has_root_page() const { return true; }
  // Whether it reads more of a request's fields than those that select a part of a file.
  [[nodiscard]] virtual bool reads_fields() const { return true; }
};

// An error on the way to the service, dressed for the grant.
net::Task<void> answer_error(Exchange& exchange, int status, std::string code);

}  // namespace latchkey::device
