#include "front/answers.h"

namespace latchkey::front {

Answer json_answer(int status, std::string body) {
  Answer answer;
  answer.status = status;
  answer.fields.add("Content-Type", "application/json");
  answer.fields.add("Cache-Control", "no-store");
  answer.body = std::move(body);
  return answer;
}

Answer error_answer(int status, std::string_view code) {
  return json_answer(status, R"({"error":")" + std::string(code) + "\"}");
}

}  // namespace latchkey::front
