"""The recommendations of Varoquaux & Cheplygina (npj Digit Med 5:48, 2022), each as a check of run folders."""
