// Answers that the device gives by itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grant/session.h"
#include "wire/http_head.h"

namespace latchkey::front {

struct Answer {
  int status = 200;
  wire::HttpFields fields;  // Content-Length is the shell's to add
  std::string body;
  // Sessions that are over now: their open responses and sockets end at once.
  std::vector<grant::SessionId> ended;
};

// `{"error":"<code>"}`. One body per code: nothing in it tells one refused request from another.
Answer error_answer(int status, std::string_view code);
Answer json_answer(int status, std::string body);

}  // namespace latchkey::front
