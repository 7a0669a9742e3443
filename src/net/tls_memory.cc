#include "net/tls_memory.h"

#include <malloc.h>
#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdlib>

namespace latchkey::net {

namespace {

// Records' buffers are between these two; pieces are made of the second, whatever was asked for.
constexpr std::size_t kOver = 16384;
constexpr std::size_t kPiece = 17408;
// What the heap may round a piece up to. A piece that is as large and came in another way will do.
constexpr std::size_t kSlack = 64;

// Without a destructor: OpenSSL gives things back while the program ends, too.
struct Waiting {
  bool on = false;  // in the one thread that serves
  std::size_t count = 0;
  std::array<void*, 8> pieces{};
};
thread_local Waiting waiting;

void* take(std::size_t size, const char* /*file*/, int /*line*/) {
  if (size <= kOver || size > kPiece) {
    return size == 0 ? nullptr : std::malloc(size);
  }
  if (waiting.count > 0) {
    return waiting.pieces[--waiting.count];
  }
  return std::malloc(kPiece);
}

void give_back(void* piece, const char* /*file*/, int /*line*/) {
  if (piece != nullptr && waiting.on && waiting.count < waiting.pieces.size()) {
    const std::size_t size = ::malloc_usable_size(piece);
    if (size >= kPiece && size < kPiece + kSlack) {
      waiting.pieces[waiting.count++] = piece;
      return;
    }
  }
  std::free(piece);
}

void* resize(void* piece, std::size_t size, const char* file, int line) {
  if (size == 0) {
    give_back(piece, file, line);
    return nullptr;
  }
  return std::realloc(piece, size);
}

}  // namespace

bool keep_tls_buffers() {
  waiting.on = CRYPTO_set_mem_functions(take, resize, give_back) == 1;
  return waiting.on;
}

}  // namespace latchkey::net
