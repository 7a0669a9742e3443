// Errors are values. Each library has an Error type of its own: a small enum and a sentence for
// people who read logs. Exceptions do not cross a library's border.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <tl/expected.hpp>
#include <utility>

namespace latchkey {

template <class T, class E>
using Result = tl::expected<T, E>;

// Makes the error side of a Result: `return fail(Error{...});`
template <class E>
tl::unexpected<std::decay_t<E>> fail(E&& error) {
  return tl::unexpected<std::decay_t<E>>(std::forward<E>(error));
}

// Misuse by the caller is a bug, not an error: say where and stop.
[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace latchkey

#define LATCHKEY_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::latchkey::check_failed(#condition, __FILE__, __LINE__))
