#include "fetch_output.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/text.h"

namespace latchkey::cli {
namespace {

Failure no_file(const std::string& file) {
  return {Exit::kFailed, "internal", file + " could not be written.",
          "Check the folder and the space left there."};
}

}  // namespace

std::optional<Bytes> decode_base64(std::string text) {
  while (!text.empty() && text.back() == '=') {
    text.pop_back();
  }
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return base64url_decode(text, 65536);
}

FetchOutput::FetchOutput(const Terminal& terminal, std::string file, bool show_head)
    : terminal_(terminal), file_(std::move(file)), show_head_(show_head) {}

FetchOutput::~FetchOutput() {
  abandon();
}

void FetchOutput::abandon() {
  if (to_ != nullptr && to_ != stdout) {
    std::fclose(to_);
    std::remove(part().c_str());
  }
  to_ = nullptr;
}

Result<void> FetchOutput::begin(const wire::HttpResponseHead& head) {
  if (!file_.empty()) {
    to_ = std::fopen(part().c_str(), "wbe");
    if (to_ == nullptr) {
      return fail(no_file(file_));
    }
  } else if (!terminal_.json()) {
    to_ = stdout;
  }
  document_["status"] = head.status;
  nlohmann::json fields = nlohmann::json::array();
  std::string text = "HTTP/1.1 " + std::to_string(head.status) + " " + head.reason + "\r\n";
  for (const wire::HttpField& field : head.fields.all()) {
    fields.push_back({field.name, field.value});
    text += field.name + ": " + field.value + "\r\n";
  }
  document_["headers"] = std::move(fields);
  if (show_head_ && !terminal_.json()) {
    text += "\r\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  return {};
}

Result<void> FetchOutput::write(ByteSpan piece) {
  size_ += piece.size();
  if (to_ != nullptr) {
    if (std::fwrite(piece.data(), 1, piece.size(), to_) != piece.size()) {
      return fail(no_file(file_.empty() ? "Standard output" : file_));
    }
    return {};
  }
  if (kept_.size() + piece.size() > kMaxInDocument) {
    return fail(usage("The answer is over 1 MiB, too much for one JSON document.",
                      "Write it to a file with -o FILE."));
  }
  append(kept_, piece);
  return {};
}

Result<void> FetchOutput::end() {
  if (to_ != nullptr && to_ != stdout) {
    const bool closed = std::fclose(std::exchange(to_, nullptr)) == 0;
    if (!closed || std::rename(part().c_str(), file_.c_str()) != 0) {
      return fail(no_file(file_));
    }
  } else if (to_ == stdout && std::fflush(stdout) != 0) {
    return fail(no_file("Standard output"));
  }
  to_ = nullptr;
  if (terminal_.json()) {
    document_["size"] = size_;
    if (!file_.empty()) {
      document_["file"] = file_;
    } else if (is_utf8(as_text(kept_))) {
      document_["body"] = as_text(kept_);
    } else {
      document_["body_base64"] = base64_encode(kept_);
    }
    terminal_.document(document_);
  }
  return {};
}

}  // namespace latchkey::cli
