// Where the answer of a fetch goes: standard output, a file, or one JSON document.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "terminal.h"
#include "wire/http_head.h"

namespace latchkey::cli {

std::optional<Bytes> decode_base64(std::string text);  // with padding

class FetchOutput {
 public:
  // `file` empty: standard output. A file takes its name when the answer is whole.
  FetchOutput(const Terminal& terminal, std::string file, bool show_head);
  ~FetchOutput();
  FetchOutput(const FetchOutput&) = delete;
  FetchOutput& operator=(const FetchOutput&) = delete;

  Result<void> begin(const wire::HttpResponseHead& head);
  Result<void> write(ByteSpan piece);
  Result<void> end();
  void abandon();

 private:
  static constexpr std::size_t kMaxInDocument = 1048576;
  [[nodiscard]] std::string part() const { return file_ + ".part"; }
  const Terminal& terminal_;
  std::string file_;
  bool show_head_;
  std::FILE* to_ = nullptr;
  nlohmann::json document_ = nlohmann::json::object();
  Bytes kept_;
  std::uint64_t size_ = 0;
};

}  // namespace latchkey::cli
