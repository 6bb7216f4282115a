/* SPDX-License-Identifier: MIT */
/* What the images of this test offer. Each @destroyed counts destructors that ran. */
#pragma once

extern "C" {
void throw_number(int number, int *destroyed);
void throw_text(const char *text, int *destroyed);
int catch_inside(int number); // number + 1
void call_back(void (*function)(void *), void *data, int *destroyed);
int catch_across(int number);            // number + 1
int catch_text_across(const char *text); // 1 when all is well
}
