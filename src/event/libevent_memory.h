// SPDX-License-Identifier: Apache-2.0
//
// Memory for libevent. libevent makes a small entry for each descriptor number that it watches, and
// keeps the entry as long as its base. On the heap, the entries would lie between the objects of
// connections. After a flood of connections, each entry would then keep a page in the process: 40
// MB after 10,000 connections. So small pieces have memory of their own, which is never reused and
// never given back. May be called on any thread.

#ifndef LAYBY_EVENT_LIBEVENT_MEMORY_H_
#define LAYBY_EVENT_LIBEVENT_MEMORY_H_

#include <cstddef>

namespace layby::event {

// Makes libevent use the functions below. Call this function before any other function of libevent;
// later calls do nothing.
void keep_small_memory_apart();

// As malloc(), realloc() and free().
void* allocate(std::size_t size);
void* reallocate(void* piece, std::size_t size);
void release(void* piece);

// How much of the memory for small pieces is taken.
std::size_t small_memory_bytes();

inline constexpr std::size_t kMostSmallBytes = 32;

}  // namespace layby::event

#endif  // LAYBY_EVENT_LIBEVENT_MEMORY_H_
