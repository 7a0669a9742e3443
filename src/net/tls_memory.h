// OpenSSL takes a buffer of some 16.5 KiB to read or write a record and gives it back when the
// record is done (SSL_MODE_RELEASE_BUFFERS, so that idle connections hold none): for each request
// twice. To the heap such a piece is a large one, for which it tidies up all that is free.
#pragma once

namespace latchkey::net {

// From now on pieces of that size that this thread gives back wait, eight of them, for its next
// record. To be called before anything else of OpenSSL; false, and nothing is changed, where that
// has taken memory already. What is freed is as unwiped as with the heap: OpenSSL wipes its
// secrets itself.
bool keep_tls_buffers();

}  // namespace latchkey::net
